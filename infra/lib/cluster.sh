# shellcheck shell=bash
# A cluster as these scripts use it: what is not ready, manifests, secrets. Sourced, not run, by a script
# that sets `context`, kubectl's, and `scratch`, a folder of its own.

k() { kubectl --context "${context:?}" --request-timeout=60s "$@"; }

# inside NAMESPACE WORKLOAD COMMAND...: a command in a pod, with this one's standard input. kubectl
# bounds the request that starts it, not how long it runs.
inside() {
  local namespace=$1 workload=$2
  shift 2
  timeout 60 kubectl --context "${context:?}" --request-timeout=60s -n "$namespace" exec -i "$workload" -- "$@"
}

# What a person would look at first when something does not come up.
diagnose() {
  echo '--- pods that are not ready'
  k get pods -A | awk 'NR == 1 || ($4 != "Completed" && split($3, n, "/") && n[1] != n[2])'
  echo '--- the latest warnings'
  k get events -A --field-selector type=Warning --sort-by=.lastTimestamp | tail -n 15
}

# unavailable NAMESPACE KIND...: names of workloads whose pods are not all there in their last form.
unavailable() {
  local namespace=$1 kind
  shift
  for kind in "$@"; do
    k -n "$namespace" get "$kind" --no-headers -o custom-columns='N:.metadata.name,W:.spec.replicas,A:.status.availableReplicas,U:.status.updatedReplicas,G:.metadata.generation,O:.status.observedGeneration' |
      awk -v all="all $kind of the namespace $namespace" '
        { n++ } $2 > 0 && ($2 != $3 || $2 != $4) || $5 != $6 { print $1 } END { if (!n) print all }'
  done
}

unready_nodes() {
  k get nodes --no-headers | awk '{ n++ } $2 !~ /^Ready/ { print $1 } END { if (!n) print "all nodes" }'
}

unestablished() {
  k get crds -o custom-columns='N:.metadata.name,E:.status.conditions[?(@.type=="Established")].status' --no-headers |
    awk '{ n++ } $2 != "True" { print $1 } END { if (!n) print "all custom resources" }'
}

# A claim waits for its first pod on some clusters, so only what can never come is named.
lost_claims() {
  k get persistentvolumeclaims -A --no-headers |
    awk '{ n++ } $3 == "Lost" { print $2 } END { if (!n) print "all claims" }'
}

# apply WHAT: manifests from standard input; what somebody changed by hand is set right.
apply() {
  local manifests tries=0
  manifests=$(cat)
  until k apply --server-side --force-conflicts --field-manager=defectory -f - <<<"$manifests" >"${scratch:?}/applied" 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 5 ] || fail "$1 cannot be applied: $(tail -n 5 "$scratch/applied")"
    say "  the API server refused $1, tries again: $(tail -n 1 "$scratch/applied" | cut -c1-200)"
    sleep 10
  done
  say "applied $1: $(grep -c serverside-applied "$scratch/applied") objects"
}

chance() { head -c 64 /dev/urandom | base64 | tr -dc 'a-zA-Z0-9' | cut -c1-"$1"; }

# secret NAMESPACE NAME KEY=LENGTH...: random values, made once and never again.
secret() {
  local namespace=$1 name=$2 key
  shift 2
  if [ -n "$(k -n "$namespace" get secret "$name" --ignore-not-found -o name)" ]; then return; fi
  {
    printf 'apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: %s}\nstringData:\n' "$name" "$namespace"
    for key in "$@"; do printf '  %s: "%s"\n' "${key%=*}" "$(chance "${key#*=}")"; done
  } | k create -f - >/dev/null
  say "made the secret $namespace/$name"
}

secret_value() { k -n "$1" get secret "$2" -o "jsonpath={.data.$3}" | base64 -d; }

# readers SECRET: the deployments of manifests from standard input, as kustomize writes them, whose pods
# have keys of a Secret as variables.
readers() {
  awk -v secret="$1" '
    /^---$/ { kind = name = "" }
    /^kind: / { kind = $2 }
    /^  name: / { name = $2 }
    /^   +name: / && $2 == secret && kind == "Deployment" && !seen[name]++ { print name }
  '
}

# renewal FILE NAMESPACE SECRET: a patch of kustomize that writes which Secret of that name it is on all
# pods that have its keys as variables: they start anew where it was made anew, and only then.
renewal() {
  local found uid
  found=$(readers "$3" <"$1")
  [ -n "$found" ] || fail "no deployment of $1 reads the Secret $3: these are not the manifests that are known here"
  # In `x=$(renewal ...)` nothing ends by itself where a command fails.
  uid=$(k -n "$2" get secret "$3" -o 'jsonpath={.metadata.uid}') && [ -n "$uid" ] ||
    fail "the API server does not say which Secret $2/$3 is: call this again"
  cat <<YAML
- target: {kind: Deployment, name: ${found//$'\n'/|}}
  patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: reader}
    spec: {template: {metadata: {annotations: {defectory.dev/$3: "$uid"}}}}
YAML
}
