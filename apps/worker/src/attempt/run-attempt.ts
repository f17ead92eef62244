import type { Readable } from 'node:stream';
import { type BuildSpec, cachePlaces, type LogRecord, secretRepoOf, targetSpecs } from '@kiln/contracts';
import { type BuildRecord, cacheKey, currentAttempt, type Outcome, refusedTo } from '@kiln/domain';
import type { Logger } from '@kiln/runtime';
import {
  type AttemptRef,
  type AttemptStore,
  type BuildStore,
  type CacheReferences,
  type LogStore,
  persist,
  RequestNotUnderstood,
  StaleAttempt,
} from '@kiln/state';
import type { CacheArchives } from '../archives/cache-archives.ts';
import type { ExecuteRequest, StopReason } from '../engine/executor.ts';
import type { AttemptRecorder, AttemptRecorders } from '../traces/attempt-recorder.ts';
import { rethrowRefusal } from './artifact-refusal.ts';
import { attemptSecrets, NoSecrets, type SecretDeps } from './attempt-secrets.ts';
import { LogWriter } from './log-writer.ts';
import { openContexts, openSource, openTargets, type SourceDeps } from './open-source.ts';
import { referenceMemory } from './reference-memory.ts';
import { SourceUnresolved } from './source-unresolved.ts';

export interface RunAttemptDeps extends Omit<SecretDeps & SourceDeps, 'persistent'> {
  readonly builds: Pick<BuildStore, 'get' | 'record' | 'secretsOf' | 'loginsOf'>;
  readonly attempts: Pick<AttemptStore, 'start' | 'pin' | 'settle'>;
  readonly logs: Pick<LogStore, 'append'>;
  readonly executor: { run(request: ExecuteRequest, signal: AbortSignal): Promise<Outcome> };
  /** Stores an artifact within the limits in the build's record. */
  storeArtifact(
    ref: AttemptRef,
    content: Readable,
    record: BuildRecord,
  ): Promise<{ digest: string; sizeBytes: number }>;
  /** Records what the attempt used and did. */
  readonly recorders?: Pick<AttemptRecorders, 'begin'> | undefined;
  /** Archives of caches. Default: cache mode `archive` finds and stores none. */
  readonly archives?: Pick<CacheArchives, 'of'> | undefined;
  /** Remembers the references of caches. Default: they are never cleaned up. */
  readonly references?: Pick<CacheReferences, 'wrote' | 'used'> | undefined;
  /** Resolves when no other attempt of the build runs here any more. */
  alone(): Promise<void>;
  /** Called with the outcome before it is written to the pool. */
  onOutcome?(ref: AttemptRef, outcome: Outcome): void;
  readonly log: Logger;
  readonly now: () => number;
}

/** The outcome of an attempt that a draining host gave up. Neither the build nor the host is blamed for it. */
export const HANDED_BACK: Outcome = {
  end: 'failed',
  failure: { code: 'host_drained', message: 'the host was drained, and handed the build back' },
};

/**
 * Runs one attempt from its start to its recorded end. Never rejects. Every attempt gets an end: a write that Redis can't take now is
 * repeated until it is accepted or refused, and an error on this side ends the attempt with `infrastructure`. A stale attempt ends without
 * a write, because another attempt owns the build by then.
 */
export async function runAttempt(deps: RunAttemptDeps, ref: AttemptRef, signal: AbortSignal): Promise<void> {
  const log = deps.log.child({ buildId: ref.buildId, attempt: ref.attempt });
  const persistent = <T>(call: () => Promise<T>) =>
    persist(call, (error) => log.warn({ err: error }, 'redis call failed; trying again'));
  try {
    const outcome = await attemptOutcome({ ...deps, log, persistent }, ref, signal);
    deps.onOutcome?.(ref, outcome);
    const settled = await persistent(() => deps.attempts.settle(ref, outcome));
    log.info({ end: outcome.end, state: settled.state, code: outcome.failure?.code }, 'attempt ended');
  } catch (error) {
    if (error instanceof StaleAttempt) log.warn({}, 'attempt is stale; its result is discarded');
    else log.error({ err: error }, 'attempt could not be settled');
  }
}

interface PersistentDeps extends RunAttemptDeps {
  /** Repeats a call to the pool until it is accepted or refused. */
  persistent<T>(call: () => Promise<T>): Promise<T>;
}

/** Runs the attempt; when this resolves, its log is complete. @throws StaleAttempt */
async function attemptOutcome(deps: PersistentDeps, ref: AttemptRef, signal: AbortSignal): Promise<Outcome> {
  const { persistent, attempts, builds, logs, log } = deps;
  try {
    const startedAt = deps.now();
    const record = await persistent(() => attempts.start(ref, startedAt));
    await deps.alone();
    const spec = (await persistent(() => builds.get(ref.buildId)))?.spec;
    if (!spec) throw new StaleAttempt(ref.buildId, ref.attempt);
    const writer = new LogWriter(logs, ref, record.maxLogBytes, (error) =>
      log.warn({ err: error }, 'writing the log failed; trying again'),
    );
    const recorder = deps.recorders?.begin(ref, record, spec);
    const outcome = await execute(deps, ref, { record, spec }, writer, signal, recorder);
    recorder?.end(outcome);
    await writer.flush();
    return outcome;
  } catch (error) {
    if (error instanceof StaleAttempt) throw error;
    log.error({ err: error }, 'attempt failed');
    return error instanceof RequestNotUnderstood ? outdated(ref, error) : brokenOff(error);
  }
}

/** The build isn't to blame, and other hosts may run a newer version. */
function outdated({ host }: AttemptRef, { message }: RequestNotUnderstood): Outcome {
  return failed(
    'host_outdated',
    `the worker of host ${host} is too old to understand this build; update the worker: ${message}`,
  );
}

function brokenOff(error: unknown): Outcome {
  const message = error instanceof Error ? error.message : String(error);
  return failed('infrastructure', `the host could not run the build: ${message}`);
}

async function execute(
  deps: PersistentDeps,
  ref: AttemptRef,
  { record, spec }: { record: BuildRecord; spec: BuildSpec },
  writer: LogWriter,
  signal: AbortSignal,
  recorder: AttemptRecorder | undefined,
): Promise<Outcome> {
  if (record.cancelRequestedAt !== undefined) return stopped('cancel');
  if (signal.aborted) return stopped(signal.reason as StopReason);
  const note = (message: string) => writer.write({ t: deps.now(), type: 'note', message });
  const startedAt = currentAttempt(record)?.assignedAt ?? record.queuedAt;
  await note(`attempt ${ref.attempt} on host ${ref.host}, after ${startedAt - record.queuedAt} ms in the queue`);
  try {
    const { trust = 'trusted' } = record;
    // The API checks this too. A build that reached the queue in another way is refused here.
    for (const target of targetSpecs(spec)) {
      const refusal = refusedTo(
        trust,
        { output: target.spec.output, secrets: target.spec.secrets, entitlements: spec.entitlements },
        record.granted,
      );
      if (!refusal) continue;
      const { field, got, expected } = refusal;
      const path = [...target.at, field].join('.');
      return failed('trust_refused', `${path}: got ${got}, expected ${expected}, because the build is untrusted`);
    }
    const {
      values: secrets,
      logins: registryLogins,
      hidden,
      warnings,
    } = await attemptSecrets(deps, record, spec, signal);
    recorder?.secrets(secrets);
    for (const message of warnings) await writer.write({ t: deps.now(), type: 'warning', message });
    const source = await openSource(deps, ref, { record, spec }, secrets, note, signal);
    if (!source) {
      return failed(
        'context_invalid',
        'the uploaded context is no longer stored; upload it and submit the build again',
      );
    }
    const targets = spec.bake && (await openTargets(deps, spec, source, secrets, signal));
    if (signal.aborted) return stopped(signal.reason as StopReason);
    const repo = cacheKey(record);
    const archive =
      spec.cache?.mode === 'archive'
        ? deps.archives?.of({ spec, repo, note: async (message) => note(message) })
        : undefined;
    const places = cachePlaces(spec, trust, record.granted?.push ?? false);
    const remember = referenceMemory(deps, { team: spec.team, repo: secretRepoOf(spec), trust });
    remember.used(places.from.flatMap((one) => (one.type === 'registry' ? [one.ref] : [])));
    return await deps.executor.run(
      {
        buildId: ref.buildId,
        attempt: ref.attempt,
        spec,
        trust,
        repo,
        source: recorder?.source(source, targets) ?? source,
        contexts: openContexts(deps, spec),
        ...(targets && { targets }),
        secrets,
        registryLogins,
        hidden,
        ...(archive && { archive }),
        cachePlaces: places,
        onExported: remember.wrote,
        artifact: (content) => deps.storeArtifact(ref, content, record).catch(rethrowRefusal),
        ...(recorder && { observer: recorder, caches: recorder }),
        sink: (entry: LogRecord) => writer.write(entry),
      },
      signal,
    );
  } catch (error) {
    if (error instanceof StaleAttempt) throw error;
    if (signal.aborted) return stopped(signal.reason as StopReason);
    if (error instanceof SourceUnresolved || error instanceof NoSecrets)
      return { end: 'failed', failure: error.failure };
    deps.log.error({ err: error }, 'executor failed');
    return brokenOff(error);
  }
}

function stopped(reason: StopReason): Outcome {
  switch (reason) {
    case 'cancel':
      return { end: 'canceled', failure: { code: 'canceled', message: 'canceled before it ran' } };
    case 'fence':
      return failed('infrastructure', 'the host had to give the build back');
    case 'drain':
      return HANDED_BACK;
  }
}

function failed(
  code: 'trust_refused' | 'context_invalid' | 'infrastructure' | 'host_outdated',
  message: string,
): Outcome {
  return { end: 'failed', failure: { code, message } };
}
