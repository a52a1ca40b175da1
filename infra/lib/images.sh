# shellcheck shell=bash
# The images: ours, others', and where they come from. Sourced, not run; building them takes wait.sh too.

# build_images OPTION...: all images of ours, with the places that versions.env names.
build_images() {
  local options=()
  [ -z "$DEFECTORY_REGISTRY" ] || options+=(--registry "$DEFECTORY_REGISTRY")
  [ -z "$DEFECTORY_BASE" ] || options+=(--base "$DEFECTORY_BASE")
  [ -z "$DEFECTORY_PIP" ] || options+=(--pip "$DEFECTORY_PIP")
  [ -z "$DEFECTORY_CERTIFICATES" ] || options+=(--certificates "$DEFECTORY_CERTIFICATES")
  [ -z "$DEFECTORY_DETECTRON2" ] || options+=(--detectron2 "$DEFECTORY_DETECTRON2")
  within "builds the images, or finds them built" 10800 \
    "${defectory:?}" images build ${options[@]+"${options[@]}"} "$@" >&2
}

# own_image SET: the reference of an image of ours, as the last build wrote it down.
own_image() {
  "$defectory" images list | grep -E "(^|/)defectory/$1[:@]" ||
    fail "\`defectory images list\` names no image of the set $1"
}

# listed_images: images.txt without remarks.
listed_images() { sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "${infra:?}/images.txt"; }

# mirrored REFERENCE: where an image of images.txt lies in the mirror, or where it comes from.
mirrored() {
  if [ -n "$DEFECTORY_MIRROR" ]; then
    printf '%s/%s\n' "${DEFECTORY_MIRROR%/}" "${1#*/}"
  else
    printf '%s\n' "$1"
  fi
}

# spellings REFERENCE: the ways in which a manifest may write an image of images.txt.
spellings() {
  printf '%s\n' "$1"
  case $1 in
    docker.io/library/*) printf '%s\n' "docker.io/${1#docker.io/library/}" "${1#docker.io/library/}" ;;
    docker.io/*) printf '%s\n' "${1#docker.io/}" ;;
  esac
}

# rewrite_images: manifests from standard input, with every image of images.txt from the mirror,
# also where its name stands in an argument or a variable.
rewrite_images() {
  local script='' reference form
  if [ -n "$DEFECTORY_MIRROR" ]; then
    while read -r reference; do
      while read -r form; do
        script+="s#(^|[[:space:]\"'=])${form//./\\.}(\$|[[:space:]\"'])#\\1$(mirrored "$reference")\\2#g;"
      done < <(spellings "$reference")
    done < <(listed_images)
  fi
  sed -E "$script"
}

# named_images: what manifests from standard input name as an image, and whatever else in them has a
# registry's host and a tag.
named_images() {
  local manifests host='[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]+)?' digest='@sha256:[0-9a-f]{64}'
  manifests=$(cat)
  {
    sed -nE "s/^.*[iI]mage: +[\"']?([^[:space:]\"']+)[\"']?\$/\\1/p" <<<"$manifests"
    grep -oE "(^|[[:space:]\"'=])$host(/[a-z0-9._-]+)+(:[[:alnum:]_][[:alnum:]_.-]*($digest)?|$digest)" <<<"$manifests" | sed -E "s/^[[:space:]\"'=]//" || true
  } | sort -u
}

# unlisted: those of the images on standard input that images.txt does not list.
unlisted() {
  local reference
  grep -vxFf <(listed_images | while read -r reference; do spellings "$reference"; done) || true
}

# in_registry REFERENCE: whether an image is named for a registry, without which no other machine finds it.
in_registry() {
  [[ $1 == */* ]] || return 1
  case ${1%%/*} in *.* | *:* | localhost) ;; *) return 1 ;; esac
}
