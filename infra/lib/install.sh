# shellcheck shell=bash
# What infra/kind/up and infra/minikube/up do alike once there is a cluster. Sourced, not run.
# The script that sources it sets `context` (of kubectl) and `node` (the container that is the node).
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

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
      awk '$2 > 0 && ($2 != $3 || $2 != $4) || $5 != $6 { print $1 }'
  done
}

unready_nodes() {
  k get nodes --no-headers | awk '{ n++ } $2 !~ /^Ready/ { print $1 } END { if (!n) print "all nodes" }'
}

unestablished() {
  k get crds -o custom-columns='N:.metadata.name,E:.status.conditions[?(@.type=="Established")].status' --no-headers |
    awk '$2 != "True" { print $1 }'
}

# A claim waits for its first pod on some clusters, so only what can never come is named.
lost_claims() {
  k get persistentvolumeclaims -A --no-headers | awk '$3 == "Lost" { print $2 }'
}

# apply WHAT: manifests from standard input; what somebody changed by hand is set right.
apply() {
  local manifests tries=0
  manifests=$(cat)
  until k apply --server-side --force-conflicts --field-manager=defectory -f - <<<"$manifests" >"$scratch/applied" 2>&1; do
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

# load REFERENCE...: images that Docker has here, straight into the node's containerd. `kind load` and
# `minikube image load` write them to a file first, some 9 GB, on some machines into memory. And where
# Docker keeps its images in containerd, as new installations do, what it saves names every platform of
# an image and has one: kind fails over those that are missing (its issue 3795), and minikube ends well
# whatever it could not load.
load() {
  local snapshotter
  # Not everywhere containerd's default: on some file systems kind takes another.
  snapshotter=$(docker exec "${node:?}" containerd config dump 2>/dev/null |
    sed -nE "s/^ *snapshotter = ['\"]([a-z-]+)['\"]\$/\1/p" | sed -n 1p)
  # Some 9 GB, which takes minutes: how far it is can be read off the process that sends them.
  local saving importing told=$SECONDS ended=0
  rm -f "$scratch/images"
  mkfifo "$scratch/images"
  docker save "$@" >"$scratch/images" &
  saving=$!
  docker exec --privileged -i "$node" ctr --namespace=k8s.io images import \
    --digests ${snapshotter:+--snapshotter="$snapshotter"} - <"$scratch/images" >/dev/null &
  importing=$!
  while kill -0 $importing 2>/dev/null; do
    if ((SECONDS - told >= 20)); then
      told=$SECONDS
      say "  $(sent "$saving")"
    fi
    sleep 1
  done
  wait $saving || ended=$?
  wait $importing || ended=$?
  return $ended
}

# sent PROCESS: what a process has written so far.
sent() {
  if [ -r "/proc/$1/io" ]; then
    awk '$1 == "wchar:" { printf "%.1f GB sent\n", $2 / 1e9 }' "/proc/$1/io"
  else
    echo 'all sent, the node unpacks'
  fi
}

# on_nodes REFERENCE: whether the node has an image.
on_nodes() { docker exec "${node:?}" crictl inspecti "$1" >/dev/null 2>&1; }

absent() {
  local reference
  for reference in "$@"; do
    on_nodes "$reference" || echo "$reference"
  done
}

# Ours must be brought to the node, unless a registry has them: all at once, because they share
# layers. Of the others, those that are on this machine already need no network.
load_images() {
  local set reference wanted=() others=()
  for set in data diffusion detection; do
    reference=$(own_image "$set")
    case $reference in
      *@sha256:*) ;;
      *) on_nodes "$reference" || wanted+=("$reference") ;;
    esac
  done
  if [ ${#wanted[@]} -gt 0 ]; then
    say "loads ${wanted[*]}"
    load "${wanted[@]}" || fail "the images do not reach the node; the engine says above why"
    wait_for "the images on the node" 10 absent "${wanted[@]}"
  fi
  mapfile -t others < <(listed_images)
  for reference in "${others[@]}"; do
    case $reference in */kindest/node:* | */kicbase:*) continue ;; esac
    reference=$(mirrored "$reference")
    if docker image inspect "$reference" >/dev/null 2>&1 && ! on_nodes "$reference"; then
      say "loads $reference"
      load "$reference" || say "  that failed; the node fetches it itself"
    fi
  done
}

install_kfp() {
  local folder=$KFP_RENDERED
  if [ -z "$folder" ]; then
    folder=$infra/.kfp/$KFP_VERSION-${KFP_COMMIT:0:12}-${ARGO_COMMIT:0:12}-$(cat "$infra"/kfp/* | cksum | cut -d' ' -f1)
    if [ ! -f "$folder/kfp.yaml" ]; then
      rm -rf "$folder.part"
      "$infra/kfp/render" "$folder.part"
      mv "$folder.part" "$folder"
    fi
  fi
  [ -f "$folder/kfp.yaml" ] || fail "KFP_RENDERED: there is no $folder/kfp.yaml; infra/kfp/render writes it"

  apply "KFP's custom resources" <"$folder/cluster-scoped.yaml"
  wait_for "KFP's custom resources" 120 unestablished

  # KFP's manifests bring its object store's key along, the same for everybody: ours is made here.
  secret kubeflow mlpipeline-minio-artifact accesskey=20 secretkey=40
  mkdir -p "$scratch/kfp"
  cp "$folder/kfp.yaml" "$scratch/kfp"
  cat >"$scratch/kfp/kustomization.yaml" <<YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [kfp.yaml]
patches:
- patch: |
    {apiVersion: v1, kind: Secret, metadata: {name: mlpipeline-minio-artifact, namespace: kubeflow}, \$patch: delete}
YAML
  kubectl kustomize "$scratch/kfp" | rewrite_images | apply "KFP $KFP_VERSION"
  wait_for "KFP's deployments" 1200 unavailable kubeflow deployments
}

# weed COMMAND: one command for KFP's object store, where its shell reads it, not on a command line.
weed() { inside kubeflow deployment/seaweedfs /usr/bin/weed shell 2>/dev/null <<<"$1"; }

# MLflow's own bucket, and a user that may do nothing but read and write there.
object_store() {
  local identity
  identity=$(secret_value defectory mlflow-object-store AWS_ACCESS_KEY_ID)
  if ! weed 's3.bucket.list' | grep -w mlflow >/dev/null; then
    weed 's3.bucket.create -name mlflow' >/dev/null || true
  fi
  if ! weed 's3.configure' | grep -F "$identity" >/dev/null; then
    weed "s3.configure -user mlflow -access_key $identity -secret_key $(secret_value defectory mlflow-object-store AWS_SECRET_ACCESS_KEY) -buckets mlflow -actions Read,Write,List,Tagging -apply" >/dev/null || true
  fi
}
no_object_store() {
  object_store
  weed 's3.bucket.list' | grep -w mlflow >/dev/null || echo 'the bucket mlflow'
  weed 's3.configure' | grep -F "$(secret_value defectory mlflow-object-store AWS_ACCESS_KEY_ID)" >/dev/null || echo 'the user mlflow'
}

# PostgreSQL takes its password from the Secret only when its volume is empty: a Secret that was made
# anew for a volume that is there says another one. The database then gets that of the Secret, over
# its socket, which asks for none; and MLflow, which may still run with the old one, starts anew.
# In both commands the password is what the pod reads, never an argument.
# shellcheck disable=SC2016
database_password() {
  local password quote="'"
  password=$(secret_value defectory mlflow-database password)
  if inside defectory statefulset/postgres sh -c 'IFS= read -r PGPASSWORD && export PGPASSWORD && exec psql -qAtw -h 127.0.0.1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "select 1"' >/dev/null 2>&1 <<<"$password"; then
    return
  fi
  say "MLflow's database has another password than the Secret mlflow-database: it gets that one"
  inside defectory statefulset/postgres sh -c 'exec psql -qw -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB"' \
    >/dev/null 2>"$scratch/psql" <<<"alter role current_user password '${password//$quote/$quote$quote}';" ||
    fail "MLflow's database does not take the password of the Secret mlflow-database: put the old one into that, or delete the claim data-postgres-0, and all that MLflow knows with it; the database says: $(head -n 1 "$scratch/psql")"
  k -n defectory rollout restart deployment/mlflow >/dev/null
}

# install_ours OVERLAY
install_ours() {
  if [ -z "$(k get namespace defectory --ignore-not-found -o name)" ]; then
    k create namespace defectory >/dev/null
  fi
  secret defectory mlflow-database password=32
  secret defectory mlflow-object-store AWS_ACCESS_KEY_ID=20 AWS_SECRET_ACCESS_KEY=40
  wait_for "a bucket for MLflow" 180 no_object_store
  RENDER_SETTINGS="DEFECTORY_UI_URL=http://localhost:$UI_PORT" "$infra/render" "$1" >"$scratch/ours.yaml"
  apply "the overlay $1" <"$scratch/ours.yaml"
  wait_for "MLflow's database" 600 unavailable defectory statefulsets
  database_password
  wait_for "MLflow" 600 unavailable defectory deployments
  wait_for "claims" 30 lost_claims
}

silent() { curl -fsS -o /dev/null --max-time 10 "$1" 2>/dev/null || echo "$1"; }

# upload PROFILE
upload() {
  wait_for "KFP at http://localhost:$UI_PORT" 300 silent "http://localhost:$UI_PORT/apis/v2beta1/healthz"
  wait_for "MLflow at http://localhost:$MLFLOW_PORT" 120 silent "http://localhost:$MLFLOW_PORT/health"
  say "uploads the pipeline"
  "$defectory" deploy --profile "$1" --dirty --endpoint "http://localhost:$UI_PORT"
}

# Built images and those on the node: PyTorch with CUDA lies in both.
room() {
  local folder free
  folder=$(docker info --format '{{.DockerRootDir}}' 2>/dev/null) || return 0
  [ -d "$folder" ] || return 0
  free=$(df -Pk "$folder" | awk 'NR == 2 { print int($4 / 1048576) }')
  [ "$free" -ge "$1" ] || problem "$folder has $free GiB free, the images need $1"
}

# Prerequisites that kind and minikube share.
common_needs() {
  need docker "" "https://docs.docker.com/engine/install"
  need kubectl "$KUBECTL_VERSION" "https://kubernetes.io/docs/tasks/tools" kubectl version --client
  need curl "" "install curl"
  need git 2.25 "install git" git --version
  find_defectory
  if command -v docker >/dev/null; then
    local found
    if ! found=$(docker info --format '{{.NCPU}} {{.MemTotal}}' 2>/dev/null); then
      problem "no Docker Engine answers: start it, and let your user use it"
    else
      local cores=${found% *} memory=${found#* }
      [ "$cores" -ge 4 ] || problem "Docker has $cores cores, KFP, MLflow and one step need 4"
      [ "$memory" -ge 8000000000 ] || problem "Docker has $((memory / 1000000000)) GB of memory, KFP, MLflow and one step need 8"
    fi
  fi
  if [ -n "$KFP_RENDERED" ] && [ ! -f "$KFP_RENDERED/kfp.yaml" ]; then
    problem "KFP_RENDERED: there is no $KFP_RENDERED/kfp.yaml; infra/kfp/render writes it"
  fi
  local name
  for name in DEFECTORY_PIP DEFECTORY_CERTIFICATES; do
    [ -z "${!name}" ] || [ -f "${!name}" ] || problem "$name: there is no file ${!name}"
  done
}

addresses() {
  cat <<TEXT

KFP      http://localhost:$UI_PORT
MLflow   http://localhost:$MLFLOW_PORT

    export KF_PIPELINES_ENDPOINT=http://localhost:$UI_PORT
    defectory submit --wait

kubectl's context is $context; infra/$1/down removes everything.
TEXT
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
