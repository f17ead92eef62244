import type { AllowedFrontends } from '@kiln/domain';

export interface BuildkitdConfig {
  /** Cap of all caches together. */
  readonly cacheBudgetBytes: number;
  /** Registries (`host:port`) that speak plain HTTP. */
  readonly plainHttpRegistries: readonly string[];
  /** Frontends that builds may name beside BuildKit's own. */
  readonly frontends: AllowedFrontends;
}

/** Contexts that were sent are of little use to a later build: they may take a tenth of the budget, for two days. */
const SOURCE_SHARE = 0.1;
const SOURCE_KEEP_SECONDS = 48 * 3600;

/**
 * `buildkitd.toml` of the `docker-container` driver. Any explicit policy replaces BuildKit's own, which would throw away cache mounts that were
 * not used for 48 h (LAB): here nothing goes for its age but sources, and the least recently used goes first when the cap is reached.
 * `keepBytes` is for BuildKit before 0.17, `reservedSpace` and `maxUsedSpace` for later ones; each ignores the other's.
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
    // The last one also takes what BuildKit keeps for itself; without a duration, which would pin ancestors.
    ...policy(['all = true'], cap),
    ...plainHttpRegistries.flatMap((registry) => [`[registry.${JSON.stringify(registry)}]`, '  http = true']),
    ...frontendControl(frontends),
    '',
  ].join('\n');
}

/** Known since BuildKit 0.14; earlier ones pass it over. An empty list would allow all. */
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
