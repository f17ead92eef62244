# shellcheck shell=bash disable=SC2154 # variables set by ../setup
# The base images of builders, examples and tests. They are pulled if an image registry answers. Otherwise stand-ins are
# made from this machine's own package sources (see ../standins).

image_variables=(KILN_TOOL_IMAGE KILN_EXAMPLE_DEBIAN_IMAGE KILN_EXAMPLE_NODE_IMAGE KILN_EXAMPLE_GCC_IMAGE KILN_BUILDKIT_IMAGE KILN_REDIS_IMAGE)

published_image() {
  case $1 in
    KILN_TOOL_IMAGE) echo docker:cli ;;
    KILN_EXAMPLE_DEBIAN_IMAGE) echo debian:bookworm-slim ;;
    KILN_EXAMPLE_NODE_IMAGE) echo node:24-bookworm-slim ;;
    # The C example needs ccache, which the published gcc image lacks. So this one is built from the published Debian image.
    KILN_EXAMPLE_GCC_IMAGE) echo kiln.local/gcc:bookworm ;;
    KILN_BUILDKIT_IMAGE) echo moby/buildkit:buildx-stable-1 ;;
    KILN_REDIS_IMAGE) echo redis:8 ;;
  esac
}

standin_image() {
  case $1 in
    KILN_TOOL_IMAGE) echo kiln.local/tool:1 ;;
    KILN_EXAMPLE_DEBIAN_IMAGE) echo "kiln.local/debian:$(standin_suite)-slim" ;;
    KILN_EXAMPLE_NODE_IMAGE) echo kiln.local/node:24 ;;
    KILN_EXAMPLE_GCC_IMAGE) echo "kiln.local/gcc:$(standin_suite)" ;;
    KILN_BUILDKIT_IMAGE) echo kiln.local/buildkit:1 ;;
    KILN_REDIS_IMAGE) echo kiln.local/redis:1 ;;
  esac
}

# Stand-ins have the release of the machine, because some contain binaries copied from it, which need its libraries.
standin_suite() { os_field VERSION_CODENAME; }

# A label of the stand-ins, by which they are rebuilt when the way to make them has changed.
standin_fingerprint() { cat "$infra"/standins/{*.Dockerfile,make.sh,buildkitd,buildctl} "$infra/versions.env" | sha256sum | cut -c 1-16; }

images_by() {
  local of=$1 variable
  for variable in "${image_variables[@]}"; do "$of" "$variable"; done
}

# have_images published|standin -- asks the engine once for all images
have_images() {
  local images labels fingerprint
  mapfile -t images < <(images_by "$1_image")
  labels=$(docker image inspect --format '{{index .Config.Labels "kiln.standin"}}' "${images[@]}" 2>/dev/null) || return 1
  fingerprint=$(standin_fingerprint)
  case $1 in
    standin) [[ $(sort -u <<<"$labels") == "$fingerprint" ]] ;;
    published) [[ $(sed -n 4p <<<"$labels") == "$fingerprint" ]] ;;
  esac
}

# Prints the settings that infra/run exports for a set of images.
images_env() {
  local variable
  for variable in "${image_variables[@]}"; do printf '%s=%s\n' "$variable" "$("$1_image" "$variable")"; done
  # Stand-ins are in the engine's own store, where only its own BuildKit finds them.
  [[ $1 != standin ]] || echo KILN_DRIVER=docker
}

images_are_there() { have_images published || have_images standin; }

plan_images() {
  local kind
  for kind in published standin; do
    # In a fresh clone on a machine that has the images, only the settings have to be written.
    if engine_answers && have_images "$kind"; then
      [[ -f $toolchain/env && $(<"$toolchain/env") == "$(images_env "$kind")" ]] || need images-env engine "$toolchain/env" "naming the base images" "written by infra/setup"
      return 0
    fi
  done
  need images engine "base images" "builders, examples and tests" "docker pull $(images_by published_image | grep -v '^kiln.local' | paste -sd ' ')"
}

provide_images() {
  local kind
  if planned images && ! images_are_there; then
    # One request decides for all images: in a network that drops packets, each image would otherwise cost a time-out.
    if timeout 15 docker buildx imagetools inspect "$(published_image KILN_EXAMPLE_DEBIAN_IMAGE)" >/dev/null 2>&1; then
      pull_images
    else
      make_standins
    fi
  fi
  for kind in published standin; do
    have_images "$kind" && images_env "$kind" >"$toolchain/env" && return 0
  done
  fail "the base images could not be provided"
}

pull_images() {
  local image context
  while read -r image; do
    [[ $image == kiln.local/* ]] && continue
    say "pulling $image …"
    docker pull --quiet "$image" >/dev/null || fail "could not pull $image"
  done < <(images_by published_image)
  context=$(mktemp -d)
  say "making $(published_image KILN_EXAMPLE_GCC_IMAGE) …"
  build_standin "$(published_image KILN_EXAMPLE_GCC_IMAGE)" gcc "$(published_image KILN_EXAMPLE_DEBIAN_IMAGE)" "$context"
  rm -rf "$context"
}

# build_standin IMAGE NAME BASE CONTEXT [ARGUMENT…]
build_standin() {
  local image=$1 name=$2 base=$3 context=$4 log
  shift 4
  log=$(mktemp)
  # Uncompressed, because on this machine compression only costs time: here, and wherever a test copies an image into another engine.
  # An engine with the classic image store ignores this.
  if ! docker buildx --builder default build --progress plain --provenance false \
    --output "type=image,name=$image,compression=uncompressed" \
    --label "kiln.standin=$(standin_fingerprint)" --build-arg "BASE=$base" "$@" \
    --file "$infra/standins/$name.Dockerfile" "$context" >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    fail "could not make $image"
  fi
  rm -f "$log"
}

make_standins() {
  have mmdebstrap || fail "no image registry answers, and stand-ins cannot be made without mmdebstrap and root. Missing images: $(images_by published_image | paste -sd ' ')"
  # shellcheck source=infra/standins/make.sh disable=SC1091
  source "$infra/standins/make.sh"
  standins_make
}
