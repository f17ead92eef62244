import { type BuildRequestInput, SUPERSEDE_MODES } from '@kiln/contracts';
import { CACHE_SCOPES, type CacheScope, PRIORITIES, type Priority } from '@kiln/domain';
import { UsageError } from '../../../io/errors.ts';
import type { FlagValues } from '../../../framework/flags.ts';
import type { DOCKER_FLAGS, KILN_FLAGS } from './build-flags.ts';
import type { OutputPlan } from './output-flag.ts';
import { attestation, attestFlag, buildArgs, durationSeconds, labels, memoryBytes, platforms } from './values.ts';

const MAX_WEIGHT = 64;

export type BuildFlags = FlagValues<typeof DOCKER_FLAGS & typeof KILN_FLAGS>;

/** Flags that say what is done with a build, not what is built. */
type OtherFlags =
  | ('file' | 'secret' | 'push' | 'load' | 'output' | 'metadata-file' | 'iidfile' | 'progress' | 'quiet')
  | ('repo' | 'ref' | 'detach' | 'json' | 'idempotency-key');
export type RequestFlags = Omit<BuildFlags, OtherFlags>;

export interface RequestParts {
  readonly flags: RequestFlags;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly plan: OutputPlan;
  readonly secrets: Readonly<Record<string, string>>;
  readonly source: BuildRequestInput['source'];
  /** Relative to the context; undefined for the default. */
  readonly dockerfile: string | undefined;
}

/** The request that the flags make. What the API checks anyway isn't checked here. Throws `UsageError`. */
export function buildRequestOf({ flags, env, plan, secrets, source, dockerfile }: RequestParts): BuildRequestInput {
  const team = flags.team ?? (env.KILN_TEAM || undefined);
  return {
    source,
    ...(team !== undefined && { team }),
    ...(dockerfile !== undefined && { dockerfile }),
    ...(flags.target && { target: flags.target }),
    buildArgs: buildArgs(flags['build-arg'], env),
    secrets: { ...secrets },
    ...(flags['stored-secret'].length > 0 && { storedSecrets: flags['stored-secret'].map(storedSecret) }),
    labels: labels(flags.label),
    platforms: platforms(flags.platform),
    tags: [...new Set([...flags.tag, ...plan.names])],
    output: { type: plan.output },
    noCache: flags['no-cache'] ?? false,
    pull: flags.pull ?? false,
    ...(flags.timeout !== undefined && { timeoutSeconds: durationSeconds('--timeout', flags.timeout) }),
    ...(flags.priority !== undefined && { priority: priority(flags.priority) }),
    ...(flags['cache-scope'] !== undefined && { cacheScope: cacheScope(flags['cache-scope']) }),
    ...(flags.weight !== undefined && { weight: weight(flags.weight) }),
    ...(flags['host-label'].length > 0 && { hostLabels: labels(flags['host-label'], '--host-label') }),
    ...(flags['concurrency-key'] !== undefined && { concurrencyKey: flags['concurrency-key'] }),
    ...(flags.supersede !== undefined && { supersede: supersede(flags.supersede) }),
    ...(flags.dedupe && { dedupe: true }),
    resources: {
      ...(flags.memory !== undefined && { memoryBytes: memoryBytes('--memory', flags.memory) }),
      ...(flags.cpus !== undefined && { cpus: cpus(flags.cpus) }),
    },
    ...attestations(flags),
  };
}

function attestations({ provenance, sbom, attest }: RequestFlags): Pick<BuildRequestInput, 'provenance' | 'sbom'> {
  return {
    ...Object.fromEntries(attest.map(attestFlag).map(({ kind, value }) => [kind, value])),
    ...(provenance !== undefined && { provenance: attestation(provenance) }),
    ...(sbom !== undefined && { sbom: attestation(sbom) }),
  };
}

function priority(text: string): Priority {
  const found = PRIORITIES.find((known) => known === text);
  if (!found) throw new UsageError(`--priority ${text}: expected ${PRIORITIES.join(', ')}`);
  return found;
}

function cacheScope(text: string): CacheScope {
  const found = CACHE_SCOPES.find((known) => known === text);
  if (!found) throw new UsageError(`--cache-scope ${text}: expected ${CACHE_SCOPES.join(', ')}`);
  return found;
}

function storedSecret(text: string): string | { id: string; name: string } {
  const at = text.indexOf('=');
  return at < 0 ? text : { id: text.slice(0, at), name: text.slice(at + 1) };
}

function weight(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= MAX_WEIGHT) return value;
  throw new UsageError(`--weight ${text}: expected a whole number from 1 to ${MAX_WEIGHT}`);
}

function supersede(text: string): BuildRequestInput['supersede'] {
  const found = SUPERSEDE_MODES.find((known) => known === text);
  if (!found) throw new UsageError(`--supersede ${text}: expected ${SUPERSEDE_MODES.join(' or ')}`);
  return found;
}

function cpus(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new UsageError(`--cpus ${text}: expected a number above 0`);
  return value;
}
