# shellcheck shell=bash disable=SC2154 # variables set by ../setup
# Makes the stand-ins; sourced by ../setup.d/images.sh. One mmdebstrap run; the others are built on its result.

standins_make() {
  local work image status=0 pid pids=()
  work=$(mktemp -d)
  image=$(standin_image KILN_EXAMPLE_DEBIAN_IMAGE)
  say "no image registry answers; making stand-ins from this machine's packages:"
  say "making $image …"
  standin_debian "$image" "$work"
  say "making $(images_by standin_image | grep -v /debian: | paste -sd ' ') …"
  # Side by side: each mostly waits for packages.
  for name in node gcc tool buildkit redis; do
    ("standin_$name" "$image" "$work/$name" 9>&-) &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || status=1; done
  rm -rf "$work"
  ((status == 0)) || exit 1
}

standin_debian() {
  local image=$1 work=$2 log=$2/mmdebstrap.log
  source_for_release "$(standin_suite)" >"$work/own.sources" || fail "found no package source for $(standin_suite) in /etc/apt"
  mmdebstrap --quiet --variant=minbase --include=ca-certificates \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    "$(standin_suite)" "$work/debian.tar" "$work/own.sources" >"$log" 2>&1 </dev/null || {
    tail -n 20 "$log" >&2
    fail "mmdebstrap failed"
  }
  # Not `docker import`, which compresses.
  mkdir "$work/debian"
  mv "$work/debian.tar" "$work/debian/"
  build_standin "$image" debian scratch "$work/debian"
  rm -rf "$work/debian"
}

standin_node() {
  local base=$1 context=$2 files=$2/usr/local
  mkdir -p "$files/bin" "$files/lib" "$files/share/ca-certificates"
  # The package's own tree and not the toolchain's link, which may be absent in favour of the system's Node.
  npm_into "$context/npm" "node-linux-$(node_arch)@$(node_wanted)" "npm@$NPM_VERSION"
  mv "$context/npm/node_modules/node-linux-$(node_arch)/bin/node" "$files/bin/node"
  mkdir "$files/lib/node_modules"
  mv "$context/npm/node_modules/npm" "$files/lib/node_modules/npm"
  rm -rf "$context/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$files/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$files/bin/npx"
  # A closed network's proxies often sign with a certificate that only the host knows, and its npm registry is its own.
  cat /etc/ssl/certs/ca-certificates.crt >"$files/share/ca-certificates/host.crt" 2>/dev/null || true
  mkdir -p "$files/etc"
  printf 'registry=%s\nfund=false\naudit=false\nupdate-notifier=false\n' "$(cd / && npm config get registry 2>/dev/null)" >"$files/etc/npmrc"
  build_standin "$(standin_image KILN_EXAMPLE_NODE_IMAGE)" node "$base" "$context"
}

standin_gcc() {
  mkdir "$2"
  build_standin "$(standin_image KILN_EXAMPLE_GCC_IMAGE)" gcc "$1" "$2"
}

standin_redis() {
  mkdir "$2"
  build_standin "$(standin_image KILN_REDIS_IMAGE)" redis "$1" "$2"
}

standin_tool() {
  local base=$1 context=$2 buildx
  buildx=$(docker info --format '{{range .ClientInfo.Plugins}}{{if eq .Name "buildx"}}{{.Path}}{{end}}{{end}}')
  mkdir "$context"
  cp -L "$buildx" "$context/docker-buildx"
  cp -L "$(command -v docker)" "$context/docker"
  build_standin "$(standin_image KILN_TOOL_IMAGE)" tool "$base" "$context"
}

standin_buildkit() {
  local base=$1 context=$2 added=/etc/apt/sources.list.d/kiln-trixie.sources release=''
  mkdir -p "$context/apt/sources.list.d" "$context/apt/preferences.d"
  # The engine's packages from where this machine has them, see ../setup.d/packages.sh.
  if [[ -e $added ]]; then
    release=trixie
    cp "$added" "$context/apt/sources.list.d/"
    cp /etc/apt/preferences.d/kiln-trixie "$context/apt/preferences.d/"
  fi
  cp "$infra/standins/buildkitd" "$infra/standins/buildctl" "$context/"
  build_standin "$(standin_image KILN_BUILDKIT_IMAGE)" buildkit "$base" "$context" --build-arg "RELEASE=$release"
}
