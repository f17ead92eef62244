import { STEPS_CGROUP, type StepLimits } from '../settings/builder-settings.ts';

/** A variable is one argument for the kernel, which allows 128 KiB each. */
const MAX_VARIABLE_BYTES = 100_000;

/**
 * Prepares a builder's container each time before BuildKit starts in it, then executes the command $@. Adds authorities to the image's own ones, for
 * BuildKit and for the git that it runs; makes the cgroup of RUN containers, in which BuildKit itself isn't: a step that takes everything it may
 * then leaves BuildKit enough to end it. With cgroup v2 a group that contains processes can't hand controllers down, so they move to another first.
 */
export const START_SCRIPT = `set -e
if [ -n "\${KILN_AUTHORITIES-}" ]; then
  bundle=/etc/ssl/certs/ca-certificates.crt
  own=/etc/ssl/image-certificates.crt
  mkdir -p /etc/ssl/certs
  [ -e "$own" ] || cat "$bundle" > "$own" 2>/dev/null || :
  count=0
  {
    cat "$own"
    while [ "$count" -lt "$KILN_AUTHORITIES" ]; do
      eval "printf '%s\\n' \\"\\$KILN_AUTHORITY_$count\\""
      count=$((count + 1))
    done
  } > "$bundle"
  while [ "$count" -gt 0 ]; do count=$((count - 1)); unset "KILN_AUTHORITY_$count"; done
  unset KILN_AUTHORITIES
fi
if [ -n "\${KILN_STEP_LIMITS-}" ]; then
  groups=/sys/fs/cgroup
  if [ -e "$groups/cgroup.controllers" ]; then
    mkdir -p "$groups/init"
    for pid in $(cat "$groups/cgroup.procs"); do echo "$pid" > "$groups/init/cgroup.procs" 2>/dev/null || :; done
    for controller in memory cpu pids; do echo "+$controller" > "$groups/cgroup.subtree_control"; done
    steps=$groups/${STEPS_CGROUP}
    mkdir -p "$steps"
    [ -z "\${KILN_STEP_MEMORY-}" ] || { echo "$KILN_STEP_MEMORY" > "$steps/memory.max"; echo 0 2>/dev/null > "$steps/memory.swap.max" || :; }
    [ -z "\${KILN_STEP_CPU-}" ] || echo "$KILN_STEP_CPU 100000" > "$steps/cpu.max"
    [ -z "\${KILN_STEP_PIDS-}" ] || echo "$KILN_STEP_PIDS" > "$steps/pids.max"
  else
    for controller in memory cpu pids; do mkdir -p "$groups/$controller/${STEPS_CGROUP}"; done
    [ -z "\${KILN_STEP_MEMORY-}" ] || echo "$KILN_STEP_MEMORY" > "$groups/memory/${STEPS_CGROUP}/memory.limit_in_bytes"
    [ -z "\${KILN_STEP_CPU-}" ] || echo "$KILN_STEP_CPU" > "$groups/cpu/${STEPS_CGROUP}/cpu.cfs_quota_us"
    [ -z "\${KILN_STEP_PIDS-}" ] || echo "$KILN_STEP_PIDS" > "$groups/pids/${STEPS_CGROUP}/pids.max"
  fi
fi
exec "$@"
`;

/** Returns the variables, `NAME=value`, by which the script gets the authorities (PEM) and the limits. */
export function startEnv(authorities: readonly string[], limits: StepLimits | undefined): string[] {
  const parts = authorities.flatMap(certificates);
  return [
    ...(parts.length > 0 ? [`KILN_AUTHORITIES=${parts.length}`] : []),
    ...parts.map((pem, at) => `KILN_AUTHORITY_${at}=${pem}`),
    ...(limits ? ['KILN_STEP_LIMITS=1'] : []),
    ...(limits?.memoryBytes === undefined ? [] : [`KILN_STEP_MEMORY=${limits.memoryBytes}`]),
    ...(limits?.cpus === undefined ? [] : [`KILN_STEP_CPU=${Math.round(limits.cpus * 100_000)}`]),
    ...(limits?.pids === undefined ? [] : [`KILN_STEP_PIDS=${limits.pids}`]),
  ];
}

/** Splits PEM into parts that fit into a variable. */
function certificates(pem: string): string[] {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  return found.reduce<string[]>((parts, one) => {
    const last = parts.at(-1);
    if (last !== undefined && last.length + one.length < MAX_VARIABLE_BYTES)
      parts[parts.length - 1] = `${last}\n${one}`;
    else parts.push(one);
    return parts;
  }, []);
}
