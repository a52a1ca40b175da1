# shellcheck shell=bash
# Every script begins here: where the project is, its versions and places, and how a script speaks.
# Sourced, not run.
set -euo pipefail

infra=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034  # for needs.sh
project=$(dirname "$infra")
say() { printf '%(%H:%M:%S)T %s\n' -1 "$*" >&2; }

fail() {
  say "$*"
  exit 1
}

# Keys of the ConfigMap `defectory`, which a site.env sets for the pods: paths in their images,
# addresses as their network knows them. Programs of this machine keep what they had of these.
pod_keys='MLFLOW_TRACKING_URI|MLFLOW_EXPERIMENT_NAME|DEFECTORY_UI_URL|HF_ENDPOINT|HF_HUB_OFFLINE|CLEANFID_WEIGHTS|AWS_ENDPOINT_URL|AWS_DEFAULT_REGION|HTTPS_PROXY|NO_PROXY|SSL_CERT_FILE|REQUESTS_CA_BUNDLE'
IFS='|' read -ra pod_names <<<"$pod_keys"
# KEY=value of each that site.env sets, for infra/render.
pod_settings=()
if [ -f "$infra/site.env" ]; then
  own=()
  for name in "${pod_names[@]}"; do
    [ -z "${!name+set}" ] || own+=("$name=${!name}")
    # The file may read what is there; what it sets is exported again, and so is told from the rest.
    export -n "${name?}"
  done
  set -a
  # shellcheck source=/dev/null
  . "$infra/site.env"
  set +a
  for name in "${pod_names[@]}"; do
    [ -n "${!name:-}" ] && [[ ${!name@a} == *x* ]] || continue
    [[ ${!name} != *$'\n'* ]] || fail "infra/site.env: $name has a line break, a value must be one line"
    pod_settings+=("$name=${!name}")
  done
  unset "${pod_names[@]}"
  [ ${#own[@]} -eq 0 ] || export "${own[@]}"
fi
# shellcheck source=../versions.env
. "$infra/versions.env"
