#!/usr/bin/env bash
# Builds and saves the container images.
# usage: build.sh base       a base image from Debian's packages, where no registry can be reached
#        build.sh images     the images; says their names and sizes
#        build.sh archives   the images, saved as archives for a cluster's containerd (ctr -n k8s.io images import)
#        build.sh engine     which container engine it uses
#        build.sh names      the names of the images
#
# CONTAINER_ENGINE  docker, podman or buildah; without it the first that works
# REGISTRY          what the names begin with, registry.example.org/team; localhost without it
# BASE              the base image; without it the one that `build.sh base` has made, else the one that the Dockerfile names
# TARGETS           light, training or both
# ARCHIVES          the folder of the archives
# BUILD_FLAGS       more flags of the engine's build, --network=host or --platform=linux/arm64
#
# Index settings of pip and uv (environment, pip.conf) and the host's certificates are given to the build as secrets.
set -euo pipefail
cd "$(dirname "$0")/.."

REGISTRY=${REGISTRY:-localhost}
TARGETS=${TARGETS:-light training}
ARCHIVES=${ARCHIVES:-build/images}
LOCAL_BASE=localhost/stilts-base:bookworm
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' stilts_core/__init__.py)

# Needs no OCI runtime and no network of its own, so that it also works inside a container or a small virtual machine.
export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}
export DOCKER_BUILDKIT=1

fail() { echo "build.sh: $*" >&2; exit 1; }

find_engine() {
  local engine
  for engine in ${CONTAINER_ENGINE:-docker podman buildah}; do
    if command -v "$engine" >/dev/null && "$engine" info >/dev/null 2>&1; then echo "$engine"; return; fi
  done
  fail "no container engine works here (tried: ${CONTAINER_ENGINE:-docker, podman, buildah})." \
    "Install one, for instance: apt-get install podman. With Docker, its daemon must run and this user may use it."
}

image_name() { # TARGET
  case $1 in
    light) echo "$REGISTRY/stilts:$version" ;;
    training) echo "$REGISTRY/stilts-train:$version" ;;
    *) fail "there is no target \"$1\"; TARGETS are light and training." ;;
  esac
}

has_image() { # NAME
  case $engine in
    buildah) buildah inspect --type image "$1" ;;
    *) "$engine" image inspect "$1" ;;
  esac >/dev/null 2>&1
}

size_of() { # NAME -> bytes, unpacked
  if [ "$engine" = buildah ]; then
    buildah images --json "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["size"])'
  else
    "$engine" image inspect --format '{{.Size}}' "$1" | awk '{printf "%d MB\n", $1 / 1e6}'
  fi
}

build() { # ARGUMENTS of the engine's build
  local flags=()
  [ "$engine" = docker ] || flags=(--layers) # the others keep none without it
  # shellcheck disable=SC2086  # several flags
  "$engine" build "${flags[@]}" ${BUILD_FLAGS:-} "$@"
}

# Settings of the package index as assignments: those of the environment, else the ones that pip knows.
index_settings() {
  local name
  for name in UV_DEFAULT_INDEX UV_INDEX UV_INDEX_URL UV_EXTRA_INDEX_URL PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST; do
    [ -z "${!name:-}" ] || printf '%s=%q\n' "$name" "${!name}"
  done
  local url=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-$(python3 -m pip config get global.index-url 2>/dev/null || true)}}}
  [ -z "$url" ] || printf '%s=%q\n' UV_DEFAULT_INDEX "$url" PIP_INDEX_URL "$url"
}

certificates() {
  local file
  for file in "${SSL_CERT_FILE:-}" "${REQUESTS_CA_BUNDLE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
    if [ -n "$file" ] && [ -r "$file" ]; then cat "$file"; return; fi
  done
}

images() {
  local base=${BASE:-} revision target name started private
  if [ -z "$base" ] && has_image "$LOCAL_BASE"; then base=$LOCAL_BASE; fi
  revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
  [ -z "$(git status --porcelain 2>/dev/null)" ] || revision+=-dirty
  private=$(mktemp -d)
  # shellcheck disable=SC2064  # the path of now
  trap "rm -rf '$private'" EXIT
  (umask 077 && index_settings >"$private/index" && certificates >"$private/ca")
  for target in $TARGETS; do
    name=$(image_name "$target")
    started=$SECONDS
    build --file Dockerfile --target "$target" --tag "$name" ${base:+--build-arg "BASE=$base"} \
      --label "org.opencontainers.image.version=$version" --label "org.opencontainers.image.revision=$revision" \
      --secret "id=index,src=$private/index" --secret "id=ca,src=$private/ca" . ||
      fail "$engine could not build the $target image. Where its base cannot be pulled, \`make base-image\` makes one" \
        "from Debian's packages, and BASE=NAME takes another."
    echo "$target image: $name, $(size_of "$name"), built in $((SECONDS - started)) s"
  done
}

archives() {
  local target name file
  mkdir -p "$ARCHIVES"
  for target in $TARGETS; do
    name=$(image_name "$target")
    has_image "$name" || fail "there is no image $name; make it with: make image"
    file=$ARCHIVES/$(basename "${name%:*}").tar
    rm -f "$file"
    case $engine in
      buildah) buildah push --quiet "$name" "docker-archive:$file:$name" ;;
      *) "$engine" save --output "$file" "$name" ;;
    esac
    echo "$file"
  done
}

base() {
  command -v debootstrap >/dev/null || fail "debootstrap is missing. Install it: apt-get install debootstrap"
  [ "$(id -u)" = 0 ] || fail "debootstrap needs root: sudo make base-image"
  local mirror=${MIRROR:-} context root
  # shellcheck disable=SC2016  # apt-get's own placeholder
  [ -n "$mirror" ] || mirror=$(apt-get indextargets --format '$(SITE)' 'Identifier: Packages' 'Codename: bookworm' 2>/dev/null | head -n 1)
  context=$(mktemp -d)
  root=$context/root
  # shellcheck disable=SC2064  # the path of now
  trap "rm -rf '$context'" EXIT
  debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv bookworm "$root" ${mirror:+"$mirror"} \
    >"$context/log" 2>&1 || { tail -n 5 "$context/log" >&2; fail "debootstrap failed; MIRROR=URL names another Debian mirror."; }
  # What tells of this machine and its mirror, and what nobody reads in a container.
  rm -rf "$root"/etc/{apt/sources.list,hostname,resolv.conf,machine-id} "$root"/var/{log,cache,lib/apt/lists}/* \
    "$root"/usr/share/{man,locale,info,lintian}/* "${root:?}"/{dev,tmp}/* "$root"/var/lib/dpkg/*-old
  find "$root/usr/share/doc" -not -type d -not -name copyright -delete
  mkdir -p "$root"/var/cache/apt/archives/partial "$root"/var/lib/apt/lists/partial "$root"/var/log/apt
  tar --directory "$root" --sort=name --numeric-owner --create --file "$context/root.tar" .
  rm -rf "$root"
  printf 'FROM scratch\nADD root.tar /\nCMD ["/bin/sh"]\n' >"$context/Dockerfile"
  printf '*\n!root.tar\n' >"$context/.dockerignore"
  build --tag "$LOCAL_BASE" "$context"
  echo "base image: $LOCAL_BASE, $(size_of "$LOCAL_BASE")"
}

command=${1:-}
case $command in
  base | images | archives) engine=$(find_engine) && "$command" ;;
  engine) find_engine ;;
  names) for target in $TARGETS; do image_name "$target"; done ;;
  *) fail "usage: build.sh base|images|archives|engine|names" ;;
esac
