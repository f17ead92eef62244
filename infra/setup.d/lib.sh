# shellcheck shell=bash disable=SC2154 # variables set by ../setup
# Messages, and the plan: what is missing, what it is needed for, and how to get it.

say() { printf 'setup: %s\n' "$*"; }

fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# version_at_least HAVE WANTED
version_at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

# Prints a field of os-release; nothing if the file or the field is missing. In a subshell, because the file is a shell
# script that sets many variables.
os_field() (
  set +u
  # shellcheck disable=SC1090
  [[ -r $os_release ]] && . "$os_release" && printf '%s' "${!1}"
) || true

is_debian_like() {
  case " $(os_field ID) $(os_field ID_LIKE) " in
    *' debian '* | *' ubuntu '*) have apt-get ;;
    *) return 1 ;;
  esac
}

is_root() { ((EUID == 0)); }

lock_file() {
  # The engine and apt belong to the machine, and so does the lock, if this user may write it.
  if is_root && [[ -w $run_dir/lock ]]; then echo "$run_dir/lock/kiln-setup.lock"; else echo "$toolchain/setup.lock"; fi
}

plan_clear() {
  plan_ids=()
  plan_by=()
  plan_text=()
}

# need ID BY WHAT WHY HOW -- adds to the plan. BY is what it takes to provide it: npm, apt, root, engine (only a running
# engine) or elsewhere (this script cannot provide it).
need() {
  plan_ids+=("$1")
  plan_by+=("$2")
  plan_text+=("$3: needed for $4; $5")
}

planned() {
  local id
  for id in ${plan_ids[@]+"${plan_ids[@]}"}; do [[ $id == "$1" ]] && return 0; done
  return 1
}

plan_is_empty() { ((${#plan_ids[@]} == 0)); }

plan_show() {
  local text
  for text in "${plan_text[@]}"; do printf '  - %s\n' "$text"; done
}

# Prints why a need of this kind cannot be met on this machine; nothing if it can.
obstacle() {
  local system
  system=$(os_field NAME)
  case $1 in
    npm) have npm || echo "npm is not installed" ;;
    apt) if ! is_debian_like; then echo "${system:-this system} is not Debian or Ubuntu with apt"; elif ! is_root; then echo "not run as root"; fi ;;
    root) is_root || echo "not run as root" ;;
    elsewhere) echo "DOCKER_HOST names an engine that does not answer" ;;
    engine) ;;
  esac
}

plan_refuse_if_blocked() {
  local by reason reasons=()
  for by in $(printf '%s\n' "${plan_by[@]}" | sort -u); do
    reason=$(obstacle "$by")
    [[ -z $reason || " ${reasons[*]-} " == *" $reason "* ]] || reasons+=("$reason")
  done
  ((${#reasons[@]})) || return 0
  {
    printf 'setup: some requirements are missing and cannot be installed: %s. Nothing was changed. Missing:\n' "$(printf '%s\n' "${reasons[@]}" | paste -sd, | sed 's/,/, /g')"
    plan_show
  } >&2
  exit 1
}
