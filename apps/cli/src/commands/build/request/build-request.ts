import { type BuildRequestInput, MTIME_MODES, SUPERSEDE_MODES } from '@kiln/contracts';
import { CACHE_SCOPES, PRIORITIES } from '@kiln/domain';
import { badFlag, oneOf, wholeNumber } from '../../../framework/flag-values.ts';
import type { FlagValues } from '../../../framework/flags.ts';
import type { DOCKER_FLAGS, KILN_FLAGS } from './build-flags.ts';
import { cacheOf } from './cache-flags.ts';
import type { OutputPlan } from './output-flag.ts';
import { extraHosts, privileges, stages, ulimits } from './run-flags.ts';
import type { ReadSecrets } from './secret-flag.ts';
import { attestation, attestFlag, buildArgs, durationSeconds, labels, memoryBytes, platforms } from './values.ts';

const MAX_WEIGHT = 64;

export type BuildFlags = FlagValues<typeof DOCKER_FLAGS & typeof KILN_FLAGS>;

/** Flags that don't go into the request as they are. */
type OtherFlags =
  | ('file' | 'secret' | 'push' | 'load' | 'output' | 'metadata-file' | 'iidfile' | 'progress' | 'quiet')
  | ('build-context' | 'no-client-logins' | 'client-login' | 'call' | 'check' | 'print')
  | ('repo' | 'ref' | 'detach' | 'json' | 'idempotency-key');
export type RequestFlags = Omit<BuildFlags, OtherFlags>;

export interface RequestOptions {
  readonly flags: RequestFlags;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly plan: OutputPlan;
  readonly secrets: Pick<ReadSecrets, 'values' | 'binary'>;
  readonly source: BuildRequestInput['source'];
  /** Relative to the context; undefined means the default. */
  readonly dockerfile: string | undefined;
}

/** Builds the request from the flags. Only checks what the API can't check. @throws UsageError */
export function buildRequestOf({ flags, env, plan, secrets, source, dockerfile }: RequestOptions): BuildRequestInput {
  const cache = cacheOf(flags);
  const team = flags.team ?? (env.KILN_TEAM || undefined);
  return {
    source,
    ...(team !== undefined && { team }),
    ...(dockerfile !== undefined && { dockerfile }),
    ...(flags.target && { target: flags.target }),
    buildArgs: buildArgs(flags['build-arg'], env),
    secrets: { ...secrets.values },
    ...(secrets.binary.length > 0 && { binarySecrets: [...secrets.binary] }),
    ...(flags['stored-secret'].length > 0 && { storedSecrets: flags['stored-secret'].map(storedSecret) }),
    labels: labels(flags.label),
    platforms: platforms(flags.platform),
    tags: [...new Set([...flags.tag, ...plan.names])],
    output: plan.output,
    ...(plan.call && { call: { method: plan.call.method, format: plan.call.format } }),
    ...(flags.annotation.length > 0 && { annotations: [...flags.annotation] }),
    noCache: flags['no-cache'] ?? false,
    ...(flags['no-cache-filter'].length > 0 && { noCacheFilter: stages(flags['no-cache-filter']) }),
    ...(flags['add-host'].length > 0 && { extraHosts: extraHosts(flags['add-host']) }),
    ...privileges(flags),
    pull: flags.pull ?? false,
    ...(cache && { cache }),
    ...(flags.timeout !== undefined && { timeoutSeconds: durationSeconds('--timeout', flags.timeout) }),
    ...(flags['queue-timeout'] !== undefined && {
      queueTimeoutSeconds: durationSeconds('--queue-timeout', flags['queue-timeout']),
    }),
    ...(flags['wait-for-host'] && { waitForHost: true }),
    ...(flags.priority !== undefined && { priority: oneOf('--priority', flags.priority, PRIORITIES) }),
    ...(flags['cache-scope'] !== undefined && {
      cacheScope: oneOf('--cache-scope', flags['cache-scope'], CACHE_SCOPES),
    }),
    ...(flags.mtimes !== undefined && { mtimes: oneOf('--mtimes', flags.mtimes, MTIME_MODES) }),
    ...(flags.weight !== undefined && { weight: wholeNumber('--weight', flags.weight, { min: 1, max: MAX_WEIGHT }) }),
    ...(flags['host-label'].length > 0 && { hostLabels: labels(flags['host-label'], '--host-label') }),
    ...(flags['concurrency-key'] !== undefined && { concurrencyKey: flags['concurrency-key'] }),
    ...(flags.supersede !== undefined && { supersede: oneOf('--supersede', flags.supersede, SUPERSEDE_MODES) }),
    ...(flags.dedupe && { dedupe: true }),
    resources: {
      ...(flags.memory !== undefined && { memoryBytes: memoryBytes('--memory', flags.memory) }),
      ...(flags.cpus !== undefined && { cpus: cpus(flags.cpus) }),
      ...(flags['shm-size'] !== undefined && { shmSizeBytes: memoryBytes('--shm-size', flags['shm-size']) }),
      ...(flags.ulimit.length > 0 && { ulimits: ulimits(flags.ulimit) }),
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

function storedSecret(text: string): string | { id: string; name: string } {
  const at = text.indexOf('=');
  return at < 0 ? text : { id: text.slice(0, at), name: text.slice(at + 1) };
}

function cpus(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw badFlag('--cpus', text, 'a number above 0');
  return value;
}
