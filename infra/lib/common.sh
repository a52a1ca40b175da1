# shellcheck shell=bash
# What the scripts of infra/ share. Sourced, not run.
set -euo pipefail

infra=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
project=$(dirname "$infra")
# Keys of the ConfigMap `defectory`, which a site.env sets for the pods: paths in their images,
# addresses as their network knows them. Programs of this machine keep what they had of these.
pod_keys='MLFLOW_TRACKING_URI|MLFLOW_EXPERIMENT_NAME|DEFECTORY_UI_URL|HF_ENDPOINT|HF_HUB_OFFLINE|CLEANFID_WEIGHTS|AWS_ENDPOINT_URL|AWS_DEFAULT_REGION|HTTPS_PROXY|NO_PROXY|SSL_CERT_FILE|REQUESTS_CA_BUNDLE'
if [ -f "$infra/site.env" ]; then
  IFS='|' read -ra pod_names <<<"$pod_keys"
  own=()
  for name in "${pod_names[@]}"; do
    [ -z "${!name+set}" ] || own+=("$name=${!name}")
  done
  set -a
  # shellcheck source=/dev/null
  . "$infra/site.env"
  set +a
  unset "${pod_names[@]}"
  [ ${#own[@]} -eq 0 ] || export "${own[@]}"
fi
# shellcheck source=../versions.env
. "$infra/versions.env"

say() { printf '%(%H:%M:%S)T %s\n' -1 "$*" >&2; }

fail() {
  say "$*"
  exit 1
}

# Problems are collected, so that all of them are told at once.
problems=()
problem() { problems+=("$*"); }
tell_problems() {
  [ ${#problems[@]} -eq 0 ] && return
  printf 'This cannot start:\n' >&2
  printf '  - %s\n' "${problems[@]}" >&2
  exit 2
}

# newer HAVE WANT: whether a version is at least another.
newer() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# need COMMAND VERSION WAY-OUT HOW...: a command, of at least a version that HOW prints.
need() {
  local name=$1 want=$2 way=$3 have
  shift 3
  if ! command -v "$name" >/dev/null; then
    problem "there is no \`$name\`: $way"
    return
  fi
  [ -n "$want" ] || return 0
  have=$("$@" 2>/dev/null | grep -oE '[0-9]+\.[0-9]+(\.[0-9]+)?' | head -n 1) || have=''
  if [ -z "$have" ] || ! newer "$have" "$want"; then
    problem "\`$name\` is ${have:-of an unknown version}, $want or later is needed: $way"
  fi
}

# The project's own command, from the environment that the README makes.
find_defectory() {
  defectory=${DEFECTORY:-}
  [ -z "$defectory" ] || return 0
  if [ -x "$project/.venv/bin/defectory" ]; then
    defectory=$project/.venv/bin/defectory
  elif ! defectory=$(command -v defectory); then
    problem "there is no \`defectory\`: install it as the README's first command does"
  fi
}

# free_port NUMBER VARIABLE: nothing may listen where an address is to be.
free_port() {
  if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then
    problem "port $1 of this machine is taken: free it, or set $2 to another"
  fi
}

# wait_for WHAT SECONDS CHECK...: until CHECK succeeds and prints nothing; what it prints is missing.
# Its standard error counts only where it fails: clients warn of many things.
wait_for() {
  local what=$1 seconds=$2 began=$SECONDS told=$SECONDS missing='' ended errors
  shift 2
  errors=$(mktemp)
  if ((seconds < 60)); then say "waits for $what, $seconds s at most"; else say "waits for $what, $((seconds / 60)) min at most"; fi
  while true; do
    ended=0
    missing=$("$@" 2>"$errors") || ended=$?
    [ $ended -eq 0 ] && [ -z "$missing" ] && break
    [ $ended -eq 0 ] || missing+=" $(tail -n 3 "$errors")"
    missing=$(tr -s '[:space:]' ' ' <<<"$missing" | sed -E 's/^ | $//g')
    if ((SECONDS - began >= seconds)); then
      rm -f "$errors"
      say "gave up on $what after $seconds s; still missing: ${missing:-an answer}"
      diagnose >&2 || true
      exit 1
    fi
    if ((SECONDS - told >= 20)); then
      told=$SECONDS
      say "  still waiting for: $(cut -c1-200 <<<"${missing:-an answer}")"
    fi
    sleep 3
  done
  rm -f "$errors"
  say "  there after $((SECONDS - began)) s"
}

# Replaced by the scripts that have a cluster to look at.
diagnose() { :; }

# build_images OPTION...: all images of ours, with the places that versions.env names.
build_images() {
  say "builds the images, or finds them built"
  local options=()
  [ -z "$DEFECTORY_REGISTRY" ] || options+=(--registry "$DEFECTORY_REGISTRY")
  [ -z "$DEFECTORY_BASE" ] || options+=(--base "$DEFECTORY_BASE")
  [ -z "$DEFECTORY_PIP" ] || options+=(--pip "$DEFECTORY_PIP")
  [ -z "$DEFECTORY_CERTIFICATES" ] || options+=(--certificates "$DEFECTORY_CERTIFICATES")
  [ -z "$DEFECTORY_DETECTRON2" ] || options+=(--detectron2 "$DEFECTORY_DETECTRON2")
  "$defectory" images build ${options[@]+"${options[@]}"} "$@" >&2
}

# own_image SET: the reference of an image of ours, as the last build wrote it down.
own_image() {
  "$defectory" images list | grep -E "(^|/)defectory/$1[:@]" ||
    fail "\`defectory images list\` names no image of the set $1"
}

# listed_images: images.txt without remarks.
listed_images() { sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$infra/images.txt"; }

# mirrored REFERENCE: where an image of images.txt lies in the mirror, or where it comes from.
mirrored() {
  if [ -n "$DEFECTORY_MIRROR" ]; then
    printf '%s/%s\n' "${DEFECTORY_MIRROR%/}" "${1#*/}"
  else
    printf '%s\n' "$1"
  fi
}

# rewrite_images: manifests from standard input, with every image of images.txt from the mirror,
# also where its name stands in an argument or a variable.
rewrite_images() {
  local script='' reference form forms
  if [ -n "$DEFECTORY_MIRROR" ]; then
    while read -r reference; do
      forms=("$reference")
      case $reference in
        docker.io/library/*) forms+=("docker.io/${reference#docker.io/library/}" "${reference#docker.io/library/}") ;;
        docker.io/*) forms+=("${reference#docker.io/}") ;;
      esac
      for form in "${forms[@]}"; do
        script+="s#(^|[[:space:]\"'=])${form//./\\.}(\$|[[:space:]\"'])#\\1$(mirrored "$reference")\\2#g;"
      done
    done < <(listed_images)
  fi
  sed -E "$script"
}
