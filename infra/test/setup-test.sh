#!/usr/bin/env bash
# Tests infra/setup on machines that lack requirements, without changing this one: it works on a copy of infra/ with fake
# tools first in PATH, so that it neither installs nor starts anything real.
set -euo pipefail

infra=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Readable for the unprivileged user, wherever the repository is.
chmod 755 "$work"

passed=0
failed=0
output=
status=0

check() {
  local name=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
    printf 'ok - %s\n' "$name"
  else
    failed=$((failed + 1))
    printf 'not ok - %s\n  exit status %s, output:\n' "$name" "$status"
    printf '  | %s\n' "${output//$'\n'/$'\n'  | }"
  fi
}

run() {
  status=0
  output=$(timeout 20 "$@" 2>&1 </dev/null) || status=$?
}

says() { [[ $output == *"$1"* ]]; }
fails() { ((status != 0 && status != 124)); }
succeeds_silently() { [[ $status == 0 && -z $output ]]; }

# A repository with only infra/ and a lock file.
repo=$work/repo
mkdir "$repo"
cp -R "$infra" "$repo/infra"
touch "$repo/pnpm-lock.yaml"
chmod -R a+rX "$repo"
tree() { (cd "$repo" && find . -type f -o -type d | sort) && (cd "$work" && find "$machine" | sort) && find /etc/apt | sort; }

# The tools of this machine, without those that Kiln needs. infra/setup adds sbin to PATH, so tools there stay visible.
bare=$work/bare
mkdir "$bare"
find /usr/local/bin /usr/bin -maxdepth 1 ! -type d -exec ln -sf -t "$bare" {} +
rm -f "$bare"/{docker,docker-*,redis-server,moto_server,prometheus,git,mmdebstrap,pnpm,chromium}

# A stand-in for /var/run, so that the pid file and the lock of the real engine are not touched.
machine=$work/run
mkdir -p "$machine"

as_nobody=()
as_root=()
if ((EUID == 0)); then
  as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
else
  as_root=(unshare --user --map-root-user)
fi
clean=(env -u DOCKER_HOST KILN_SETUP_RUN_DIR="$machine" HOME=/nonexistent)

# --- an unprivileged user -------------------------------------------------------------------------------------------
before=$(tree)
run "${as_nobody[@]}" "${clean[@]}" PATH="$bare" bash "$repo/infra/setup"
check 'without root: fails' fails
check 'without root: gives the reason' says 'not run as root'
for missing in 'docker client: ' 'buildx 0' 'Docker Compose 2' 'redis-server: ' 'moto_server: ' 'prometheus: ' 'git: ' 'a running Docker Engine' 'base images: ' 'pnpm ' 'the locked npm packages: '; do
  check "without root: lists $missing" says "$missing"
done
check 'without root: tells how to install' says 'apt-get install redis-server'
check 'without root: changes nothing' test "$before" = "$(tree)"

# --- a system without apt -------------------------------------------------------------------------------------------
printf 'NAME="Some Linux"\nID=some\n' >"$work/os-release"
before=$(tree)
run "${as_root[@]}" "${clean[@]}" PATH="$bare" KILN_SETUP_OS_RELEASE="$work/os-release" bash "$repo/infra/setup"
check 'unknown system: fails' fails
check 'unknown system: names it' says 'Some Linux is not Debian or Ubuntu with apt'
check 'unknown system: lists what is missing' says 'redis-server: '
check 'unknown system: changes nothing' test "$before" = "$(tree)"

run "${as_root[@]}" "${clean[@]}" PATH="$bare" KILN_SETUP_OS_RELEASE="$work/none" bash "$repo/infra/setup"
check 'no os-release at all: fails' fails
check 'no os-release at all: gives the reason' says 'this system is not Debian or Ubuntu with apt'

# --- an engine elsewhere that does not answer ----------------------------------------------------------------------
run "${as_root[@]}" "${clean[@]}" PATH="$bare" DOCKER_HOST=tcp://127.0.0.1:9 bash "$repo/infra/setup"
check 'DOCKER_HOST without an engine: fails' fails
check 'DOCKER_HOST without an engine: gives the reason' says 'DOCKER_HOST names an engine that does not answer'

# --- a browser for tests -------------------------------------------------------------------------------------------
run "${as_nobody[@]}" "${clean[@]}" PATH="$bare" bash "$repo/infra/setup" --with browser
check 'with browser: lists chromium' says 'chromium: needed for browser tests; apt-get install chromium'
run "${as_nobody[@]}" "${clean[@]}" PATH="$bare" bash "$repo/infra/setup"
check 'without a browser: does not ask for chromium' test "${output/chromium/}" = "$output"

# --- wrong arguments -----------------------------------------------------------------------------------------------
run "${clean[@]}" bash "$repo/infra/setup" --wiht browser
check 'an unknown argument: fails' fails
check 'an unknown argument: shows the usage' says 'Usage: infra/setup'

# --- everything but the daemon is there ----------------------------------------------------------------------------
# shellcheck source-path=SCRIPTDIR source=../versions.env
source "$infra/versions.env"
tools=$work/tools
chain=$work/toolchain
mkdir "$tools" "$chain" "$chain/bin"
# fake DIR NAME LINE… -- a command that runs these lines of sh
fake() {
  local file=$1/$2
  shift 2
  printf '%s\n' '#!/bin/sh' "$@" >"$file"
  chmod +x "$file"
}
case $(uname -m) in
  aarch64 | arm64) node_version=$NODE_VERSION_ARM64 ;;
  *) node_version=$NODE_VERSION ;;
esac
fake "$chain/bin" node "echo v$node_version"
fake "$chain/bin" pnpm "echo $PNPM_VERSION"
for tool in redis-server docker-registry moto_server prometheus mmdebstrap git ip iptables systemd-analyze; do fake "$tools" "$tool" 'exit 0'; done
# Reaches no engine until the file `up` exists; then it answers like an engine that has every image.
# shellcheck disable=SC2016
fake "$tools" docker 'case "$1 $2" in' '"buildx version") echo "github.com/docker/buildx v0.30.1 abc" ;;' \
  '"compose version") echo "v2.40.1" ;;' \
  '"image inspect") [ -e "$UP" ] && shift 4 && for image; do cat "$UP"; done ;;' \
  '*) [ -e "$UP" ] ;;' 'esac'
rm "$repo/pnpm-lock.yaml"
with_fakes=("${as_root[@]}" "${clean[@]}" PATH="$tools:$PATH" KILN_TOOLCHAIN_DIR="$chain" UP="$work/up")

# shellcheck disable=SC2016
fake "$tools" dockerd 'i=1; while [ $i -le 30 ]; do echo "daemon line $i"; i=$((i + 1)); done; echo "failed to start: no such disk"; exit 1'
run "${with_fakes[@]}" bash "$repo/infra/setup"
check 'a daemon that exits: fails' fails
check 'a daemon that exits: gives the reason' says 'dockerd ended before it answered'
check 'a daemon that exits: shows the end of its log' says 'failed to start: no such disk'
check 'a daemon that exits: shows 20 lines' test "$(grep -c 'daemon line' <<<"$output")" = 19

printf '1' >"$machine/docker.pid"
run "${with_fakes[@]}" bash "$repo/infra/setup"
check "a stale pid file: reported" says 'no dockerd runs as process 1'
check "a stale pid file: removed" test ! -e "$machine/docker.pid"

# shellcheck disable=SC2016
fake "$tools" dockerd 'echo "waiting for a disk"; echo $$ >"$UP.pid"; exec sleep 30'
run "${with_fakes[@]}" KILN_SETUP_ENGINE_WAIT_S=1 bash "$repo/infra/setup"
kill "$(cat "$work/up.pid")"
check 'a daemon that hangs: fails' fails
check 'a daemon that hangs: tells for how long' says 'did not answer within 1 s'
check 'a daemon that hangs: shows its log' says 'waiting for a disk'

# --- everything is there -------------------------------------------------------------------------------------------
# The label that current stand-ins carry.
(
  set +e
  # shellcheck disable=SC1091
  source "$infra/setup.d/images.sh"
  standin_fingerprint
) >"$work/up"
run "${with_fakes[@]}" bash "$repo/infra/setup"
check 'all there: succeeds' test "$status" = 0
check 'all there: names the images' grep -q '^KILN_TOOL_IMAGE=.' "$chain/env"
run "${with_fakes[@]}" bash "$repo/infra/setup"
check 'all there: prints nothing the next time' succeeds_silently

# --- infra/run -----------------------------------------------------------------------------------------------------
printf 'KILN_TOOL_IMAGE=from/file:1\nKILN_BUILDKIT_IMAGE=from/file:2\n' >"$chain/env"
# shellcheck disable=SC2016
run env -u KILN_TOOL_IMAGE KILN_TOOLCHAIN_DIR="$chain" KILN_BUILDKIT_IMAGE=from/caller:1 bash "$repo/infra/run" sh -c 'node; echo "$KILN_TOOL_IMAGE $KILN_BUILDKIT_IMAGE"; exit 7'
check 'infra/run: the pinned Node comes first' says "v$node_version"
check "infra/run: exports the settings; a variable of the caller takes precedence" says 'from/file:1 from/caller:1'
check "infra/run: passes the command's exit status on" test "$status" = 7

# --- the images' toolchain -----------------------------------------------------------------------------------------
check "the images' pnpm is the pinned one" grep -qx "ARG PNPM_VERSION=$PNPM_VERSION" "$infra/images/Dockerfile"

# --- package sources -----------------------------------------------------------------------------------------------
sources_of() (
  set +e
  # shellcheck disable=SC2034
  os_release=$work/debian-release toolchain=/nonexistent
  # shellcheck disable=SC1091
  source "$infra/setup.d/lib.sh" && source "$infra/setup.d/packages.sh"
  # shellcheck disable=SC2034
  apt_dir=$1
  source_for_release "$2"
)
printf 'ID=debian\nVERSION_CODENAME=bookworm\n' >"$work/debian-release"
mkdir -p "$work/deb822/sources.list.d" "$work/oneline/sources.list.d" "$work/other/sources.list.d"
printf 'Types: deb\nURIs: http://x.example/other\nSuites: stable\nComponents: main\n' >"$work/deb822/sources.list.d/a.sources"
printf 'Types: deb\n# a note\nURIs: http://mirror.example/security\nSuites: bookworm-security\nComponents: main\n\nTypes: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n' >"$work/deb822/sources.list.d/b.sources"
printf '# deb http://no.example bookworm main\ndeb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib\n' >"$work/oneline/sources.list"
printf 'deb http://mirror.example/debian sid main\n' >"$work/other/sources.list"
stanza=$'Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie\nComponents: main\nSigned-By: /k.gpg'
output=$(sources_of "$work/deb822" trixie)
check 'another release from a .sources file' test "$output" = "$stanza"
output=$(sources_of "$work/oneline" trixie)
check 'another release from a one-line source' test "$output" = "${stanza/main/main contrib}"
output=$(sources_of "$work/other" trixie) && status=0 || status=$?
check 'no source of this release: fails' fails

printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
