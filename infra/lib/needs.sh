# shellcheck shell=bash
# What a script needs before it starts, all that is missing told at once. Sourced, not run.

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
  if [ -x "${project:?}/.venv/bin/defectory" ]; then
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

# Built images and those on the node: PyTorch with CUDA lies in both.
room() {
  local folder free
  folder=$(docker info --format '{{.DockerRootDir}}' 2>/dev/null) || return 0
  [ -d "$folder" ] || return 0
  free=$(df -Pk "$folder" | awk 'NR == 2 { print int($4 / 1048576) }')
  [ "$free" -ge "$1" ] || problem "$folder has $free GiB free, the images need $1"
}

# An engine that answers: without it kind and minikube find no cluster, which is not the same as that there
# is none.
engine() {
  need docker "" "https://docs.docker.com/engine/install"
  if command -v docker >/dev/null && ! docker info >/dev/null 2>&1; then
    problem "no Docker Engine answers: start it, and let your user use it"
  fi
}

# made_with NODE PORT VARIABLE WAY-OUT: the ports of this machine are the node's from when it was made. What
# its port is there must be what is asked for.
made_with() {
  local published
  published=$(docker inspect --format "{{with index .HostConfig.PortBindings \"$2/tcp\"}}{{(index . 0).HostPort}}{{end}}" "$1" 2>/dev/null) || return 0
  [ -z "$published" ] || [ "$published" = "${!3}" ] ||
    problem "$3 is ${!3}, and the cluster $CLUSTER was made with $published, which stays: set $3=$published, or have $4 remove it first"
}

# Prerequisites that kind and minikube share.
cluster_needs() {
  need kubectl "$KUBECTL_VERSION" "https://kubernetes.io/docs/tasks/tools" kubectl version --client
  need curl "" "install curl"
  need git 2.25 "install git" git --version
  find_defectory
  engine
  local found
  if found=$(docker info --format '{{.NCPU}} {{.MemTotal}}' 2>/dev/null); then
    local cores=${found% *} memory=${found#* }
    [ "$cores" -ge 4 ] || problem "Docker has $cores cores, KFP, MLflow and one step need 4"
    [ "$memory" -ge 8000000000 ] || problem "Docker has $((memory / 1000000000)) GB of memory, KFP, MLflow and one step need 8"
  fi
  if [ -n "$KFP_RENDERED" ] && [ ! -f "$KFP_RENDERED/kfp.yaml" ]; then
    problem "KFP_RENDERED: there is no $KFP_RENDERED/kfp.yaml; infra/kfp/render writes it"
  fi
  if ! [[ $KFP_TIME_ZONE =~ ^[A-Za-z][A-Za-z0-9_+/-]*$ ]] ||
    { [ -d /usr/share/zoneinfo ] && [ ! -f "/usr/share/zoneinfo/$KFP_TIME_ZONE" ]; }; then
    problem "KFP_TIME_ZONE: there is no time zone $KFP_TIME_ZONE; take a name such as Europe/Berlin"
  fi
  local name
  for name in DEFECTORY_PIP DEFECTORY_CERTIFICATES; do
    [ -z "${!name}" ] || [ -f "${!name}" ] || problem "$name: there is no file ${!name}"
  done
}
