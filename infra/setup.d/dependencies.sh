# shellcheck shell=bash disable=SC2154 # variables set by ../setup
# The npm packages that Kiln imports, in their locked versions.

# Identifies the input of an installation. By content, because a checkout gives files new modification times.
dependencies_fingerprint() {
  (
    cd "$root" || exit
    # shellcheck disable=SC2046
    sha256sum pnpm-lock.yaml pnpm-workspace.yaml package.json $(find apps packages test -maxdepth 2 -name package.json -not -path '*/node_modules/*' 2>/dev/null | sort) 2>/dev/null
  ) | sha256sum | cut -c 1-64
}

plan_dependencies() {
  [[ -f $root/pnpm-lock.yaml ]] || return 0
  [[ -f $root/node_modules/.modules.yaml && -f $toolchain/dependencies && $(<"$toolchain/dependencies") == "$(dependencies_fingerprint)" ]] && return 0
  need dependencies npm "the locked npm packages" "running Kiln" "pnpm install --frozen-lockfile"
}

provide_dependencies() {
  local log=$toolchain/pnpm-install.log
  planned dependencies || return 0
  say "installing the locked npm packages …"
  # CI=true keeps pnpm from asking questions, for example whether node_modules may be replaced.
  if ! (cd "$root" && CI=true pnpm install --frozen-lockfile </dev/null >"$log" 2>&1); then
    tail -n 20 "$log" >&2
    fail "pnpm install --frozen-lockfile failed"
  fi
  dependencies_fingerprint >"$toolchain/dependencies"
}
