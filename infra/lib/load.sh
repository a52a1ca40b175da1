# shellcheck shell=bash
# Images on their way to the node. Sourced, not run, by a script that sets `node`, the container that
# is the node, and `scratch`, a folder of its own.

# How long a load may take: the largest, of all our images, took 7 min on two cores.
load_seconds=3600

# load REFERENCE...: images that Docker has here, straight into the node's containerd. `kind load` and
# `minikube image load` write them to a file first, some 9 GB, on some machines into memory. And where
# Docker keeps its images in containerd, as new installations do, what it saves names every platform of
# an image and has one: kind fails over those that are missing (its issue 3795), and minikube ends well
# whatever it could not load.
load() {
  local snapshotter
  # Not everywhere containerd's default: on some file systems kind takes another.
  snapshotter=$(timeout 60 docker exec "${node:?}" containerd config dump 2>/dev/null |
    sed -nE "s/^ *snapshotter = ['\"]([a-z-]+)['\"]\$/\1/p" | sed -n 1p)
  # Some 9 GB, which takes minutes: how far it is can be read off the process that sends them.
  local saving importing began=$SECONDS told=$SECONDS ended=0
  rm -f "${scratch:?}/images"
  mkfifo "$scratch/images"
  docker save "$@" >"$scratch/images" &
  saving=$!
  docker exec --privileged -i "$node" ctr --namespace=k8s.io images import \
    --digests ${snapshotter:+--snapshotter="$snapshotter"} - <"$scratch/images" >/dev/null &
  importing=$!
  while kill -0 $importing 2>/dev/null; do
    if ((SECONDS - began >= load_seconds)); then
      say "gave up after $(lasting "$load_seconds"): $(sent "$saving")"
      kill $saving $importing 2>/dev/null || true
      ended=1
      break
    fi
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

# sent PROCESS: what a process has written so far. For the first minute of large images that is nothing.
sent() {
  if [ -r "/proc/$1/io" ]; then
    awk '$1 == "wchar:" && $2 < 5e7 { print "nothing sent yet, Docker puts them together" }
      $1 == "wchar:" && $2 >= 5e7 { printf "%.1f GB sent\n", $2 / 1e9 }' "/proc/$1/io"
  else
    echo 'all sent, the node unpacks'
  fi
}

# on_nodes REFERENCE: whether the node has an image.
on_nodes() { timeout 60 docker exec "${node:?}" crictl inspecti "$1" >/dev/null 2>&1; }

absent() {
  local reference
  for reference in "$@"; do
    on_nodes "$reference" || echo "$reference"
  done
}

# bring REFERENCE: an image of others to the node. Docker fetches it where it lacks it, as it knows the
# certificate and the login of the registry, and the node does not.
bring() {
  if docker image inspect "$1" >/dev/null 2>&1 || within "fetches $1" 1800 docker pull --quiet "$1" >/dev/null; then
    say "loads $1, $(lasting "$load_seconds") at most"
    load "$1" && return
  fi
  say "  that failed; the node fetches it itself"
}

# Ours must be brought to the node, unless a registry has them: all at once, because they share
# layers. Of the others, those that are on this machine already need no network, and those of a mirror
# may need what only Docker knows.
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
    say "loads ${wanted[*]}, $(lasting "$load_seconds") at most"
    load "${wanted[@]}" || fail "the images do not reach the node; the engine says above why"
    wait_for "the images on the node" 10 absent "${wanted[@]}"
  fi
  mapfile -t others < <(listed_images)
  for reference in "${others[@]}"; do
    case $reference in */kindest/node:* | */kicbase:*) continue ;; esac
    reference=$(mirrored "$reference")
    if [ -n "$DEFECTORY_MIRROR" ] || docker image inspect "$reference" >/dev/null 2>&1; then
      on_nodes "$reference" || bring "$reference"
    fi
  done
}
