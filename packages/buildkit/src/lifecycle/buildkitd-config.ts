import type { AllowedFrontends } from '@kiln/domain';

export interface BuildkitdConfig {
  /** Limit of all caches together. */
  readonly cacheBudgetBytes: number;
  /** Registries (`host:port`) without TLS. */
  readonly plainHttpRegistries: readonly string[];
  /** Frontends that builds may name in addition to BuildKit's own. */
  readonly frontends: AllowedFrontends;
}

/** Uploaded contexts are of little use to later builds: they may take a tenth of the budget, for two days. */
const SOURCE_SHARE = 0.1;
const SOURCE_KEEP_SECONDS = 48 * 3600;

/**
 * Returns the `buildkitd.toml` of the `docker-container` driver. An explicit policy replaces BuildKit's default, which removes cache mounts that were
 * not used for 48 h: here only sources expire, and the least recently used records are removed when the limit is reached. `keepBytes` is for
 * BuildKit before 0.17, `reservedSpace` and `maxUsedSpace` are for later versions; each ignores the other's.
 */
export function buildkitdConfig({ cacheBudgetBytes, plainHttpRegistries, frontends }: BuildkitdConfig): string {
  const cap = Math.floor(cacheBudgetBytes);
  const sources = Math.floor(cap * SOURCE_SHARE);
  return [
    '# Written by Kiln; changes are lost.',
    '[worker.oci]',
    '  gc = true',
    ...policy([`filters = ["type==source.local"]`, `keepDuration = ${SOURCE_KEEP_SECONDS}`], sources),
    ...policy([], cap),
    // Also removes what BuildKit keeps for itself. Has no duration, which would keep ancestors.
    ...policy(['all = true'], cap),
    ...plainHttpRegistries.flatMap((registry) => [`[registry.${JSON.stringify(registry)}]`, '  http = true']),
    ...frontendControl(frontends),
    '',
  ].join('\n');
}

/** Supported since BuildKit 0.14, ignored by earlier versions. An empty list would allow all frontends. */
function frontendControl(frontends: AllowedFrontends): string[] {
  if (frontends === 'any') return [];
  const head = '[frontend."gateway.v0"]';
  if (frontends.length === 0) return [head, '  enabled = false'];
  return [head, '  enabled = true', `  allowedRepositories = ${JSON.stringify(frontends)}`];
}

function policy(lines: readonly string[], bytes: number): string[] {
  const limits = [`keepBytes = ${bytes}`, `reservedSpace = ${bytes}`, `maxUsedSpace = ${bytes}`];
  return ['  [[worker.oci.gcpolicy]]', ...[...lines, ...limits].map((line) => `    ${line}`)];
}
