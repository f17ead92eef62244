#!/usr/bin/env bash
# Checks infra/systemd with systemd's own checker: every setting is known, every combination is sensible, and the sandbox is tight.
set -euo pipefail

infra=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

check() {
  local name=$1
  shift
  if output=$("$@" 2>&1); then
    printf 'ok - %s\n' "$name"
  else
    failed=$((failed + 1))
    printf 'not ok - %s\n  | %s\n' "$name" "${output//$'\n'/$'\n'  | }"
  fi
}

# The checker requires the program to exist, so the unit names the one of this repository.
unit=$work/kiln-worker.service
sed "s#/opt/kiln/infra/run#$infra/run#" "$infra/systemd/kiln-worker.service" >"$unit"
silent() { local said && said=$("$@" 2>&1) && [[ -z $said ]] || { printf '%s\n' "$said" && false; }; }
check 'kiln-worker.service is valid, without warnings' silent systemd-analyze verify "$unit"
# Exposure 2.0 of 10, in tenths: what remains is the network, the engine's socket and what Node needs.
check 'kiln-worker.service has a tight sandbox' systemd-analyze security --offline=true --threshold=20 "$unit"

seconds() { systemd-analyze timespan "$(sed -n "s/^$2=//p" "$1")" | sed -n '2s/.*: \([0-9]*\)000000$/\1/p'; }
drain=$(grep -rhoE 'KILN_DRAIN_SECONDS: wholeNumber\(0, [0-9]+' "$infra/../apps/worker/src" | grep -oE '[0-9]+$')
check 'the service has more time to stop than the drain takes' test "$(seconds "$unit" TimeoutStopSec)" -gt "$((drain + 30))"

known=$(grep -rhoE 'KILN_[A-Z_]+' "$infra/../apps/worker/src" "$infra/../packages/runtime/src" | sort -u)
unknown() { ! grep -oE '^#?KILN_[A-Z_]+' "$infra/systemd/worker.env.example" | tr -d '#' | grep -vxF "$known"; }
check 'worker.env.example has only settings that the worker knows' unknown

((failed == 0))
