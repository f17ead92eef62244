# shellcheck shell=bash disable=SC2154 # variables set by ../setup
# Node and pnpm in pinned versions, inside the repository, so that the system's Node may be older.
# They are npm packages that contain the real binaries; their install scripts are not needed, and not run.

node_arch() {
  case $(uname -m) in
    x86_64) echo x64 ;;
    aarch64 | arm64) echo arm64 ;;
    *) fail "npm has no Node binary for $(uname -m)" ;;
  esac
}

node_wanted() {
  if [[ $(node_arch) == arm64 ]]; then echo "$NODE_VERSION_ARM64"; else echo "$NODE_VERSION"; fi
}

# Succeeds also for a system Node of the same major version that is not older than the pinned one.
node_is_good() {
  local version wanted
  wanted=$(node_wanted)
  if [[ -x $toolchain/bin/node ]]; then
    [[ $("$toolchain/bin/node" --version) == "v$wanted" ]]
  else
    version=$(node --version 2>/dev/null) || return 1
    version=${version#v}
    [[ ${version%%.*} == "${wanted%%.*}" ]] && version_at_least "$version" "$wanted"
  fi
}

pnpm_is_good() { [[ -x $toolchain/bin/pnpm && $("$toolchain/bin/pnpm" --version 2>/dev/null) == "$PNPM_VERSION" ]]; }

plan_toolchain() {
  node_is_good || need node npm "Node $(node_wanted)" "running Kiln" "npm install node-linux-$(node_arch)@$(node_wanted), or any Node ${NODE_VERSION%%.*} from $NODE_VERSION on"
  pnpm_is_good || need pnpm npm "pnpm $PNPM_VERSION" "installing dependencies" "npm install pnpm@$PNPM_VERSION"
}

# npm_into DIR PACKAGE@VERSION…
npm_into() {
  local dir=$1
  shift
  mkdir -p "$dir"
  # Without its own package.json, npm would install into the repository above.
  [[ -f $dir/package.json ]] || echo '{ "private": true }' >"$dir/package.json"
  npm install --prefix "$dir" --ignore-scripts --no-audit --no-fund --silent "$@" || fail "npm could not install $*"
}

# The pnpm package is a script that starts Node; the binary is in a package for this platform.
pnpm_binary() {
  local found
  for found in "$1"/node_modules/@pnpm/exe.*/pnpm; do
    [[ -x $found ]] && "$found" --version >/dev/null 2>&1 && echo "$found" && return 0
  done
  return 1
}

provide_toolchain() {
  local pnpm
  mkdir -p "$toolchain/bin"
  if planned node; then
    say "installing Node $(node_wanted) into ${toolchain##*/} …"
    npm_into "$toolchain/node" "node-linux-$(node_arch)@$(node_wanted)"
    ln -sfn "../node/node_modules/node-linux-$(node_arch)/bin/node" "$toolchain/bin/node"
    node_is_good || fail "the installed Node does not start: $("$toolchain/bin/node" --version 2>&1 | head -n 3)"
  fi
  if planned pnpm; then
    say "installing pnpm $PNPM_VERSION into ${toolchain##*/} …"
    npm_into "$toolchain/pnpm" "pnpm@$PNPM_VERSION"
    pnpm=$(pnpm_binary "$toolchain/pnpm") || fail "pnpm $PNPM_VERSION has no binary that runs here"
    ln -sfn "../${pnpm#"$toolchain"/}" "$toolchain/bin/pnpm"
  fi
  # From here on npm also runs on the pinned Node.
  PATH=$toolchain/bin:$PATH
}
