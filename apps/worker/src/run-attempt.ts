import type { Readable } from 'node:stream';
import type { BuildSpec, LogRecord } from '@kiln/contracts';
import { type BuildRecord, cacheKey, currentAttempt, type Outcome, refusedTo } from '@kiln/domain';
import type { GitGuard } from '@kiln/git';
import type { Logger } from '@kiln/runtime';
import {
  type AttemptRef,
  type AttemptStore,
  type BuildStore,
  type LogStore,
  persist,
  RequestNotUnderstood,
  StaleAttempt,
} from '@kiln/state';
import { rethrowRefusal } from './artifact-refusal.ts';
import { attemptSecrets, NoSecrets, type SecretDeps } from './attempt-secrets.ts';
import { commitDockerfile } from './commit-dockerfile.ts';
import type { AttemptSource, ExecuteRequest, StopReason } from './executor.ts';
import { LogWriter } from './log-writer.ts';
import { checkGitHost, resolveCommit } from './resolve-git.ts';
import { SourceUnresolved } from './source-unresolved.ts';

export interface RunAttemptDeps extends Omit<SecretDeps, 'persistent'> {
  readonly builds: BuildStore;
  readonly attempts: AttemptStore;
  readonly logs: LogStore;
  readonly executor: { run(request: ExecuteRequest, signal: AbortSignal): Promise<Outcome> };
  /** An uploaded context by its digest; undefined where it is gone. Rejects when `signal` aborts while it waits for it. */
  openContext(digest: string, signal: AbortSignal): Promise<Readable | undefined>;
  /** Within what the build's record allows. */
  storeArtifact(
    ref: AttemptRef,
    content: Readable,
    record: BuildRecord,
  ): Promise<{ digest: string; sizeBytes: number }>;
  /** Keeps git away from what only this network reaches. */
  readonly outgoing: GitGuard;
  /** Resolves when nothing else of the build runs here any more. */
  alone(): Promise<void>;
  /** Told how the attempt ended before the pool is. */
  onOutcome?(ref: AttemptRef, outcome: Outcome): void;
  readonly log: Logger;
  readonly now: () => number;
}

/** The end of an attempt that its host was told to give up. The build isn't blamed for it, nor the host. */
export const HANDED_BACK: Outcome = {
  end: 'failed',
  failure: { code: 'host_drained', message: 'the host was drained, and handed the build back' },
};

/**
 * One attempt from its start to its end in the record. Never throws. Whatever goes wrong, the attempt gets an end: what Redis doesn't take now
 * is repeated until it takes or refuses it, and what fails on this side ends it as the infrastructure's fault. A stale attempt ends quietly,
 * because its build is somebody else's by then.
 */
export async function runAttempt(deps: RunAttemptDeps, ref: AttemptRef, signal: AbortSignal): Promise<void> {
  const log = deps.log.child({ buildId: ref.buildId, attempt: ref.attempt });
  const persistent = <T>(call: () => Promise<T>) =>
    persist(call, (error) => log.warn({ err: error }, 'redis refused; trying again'));
  try {
    const outcome = await attemptOutcome({ ...deps, log, persistent }, ref, signal);
    deps.onOutcome?.(ref, outcome);
    const settled = await persistent(() => deps.attempts.settle(ref, outcome));
    log.info({ end: outcome.end, state: settled.state, code: outcome.failure?.code }, 'attempt ended');
  } catch (error) {
    if (error instanceof StaleAttempt) log.warn({}, 'attempt is stale; its result is thrown away');
    else log.error({ err: error }, 'attempt failed to end');
  }
}

interface PersistentDeps extends RunAttemptDeps {
  /** Repeats a call to the pool until it is taken or refused. */
  persistent<T>(call: () => Promise<T>): Promise<T>;
}

/** What the attempt comes to, with its log whole. @throws StaleAttempt */
async function attemptOutcome(deps: PersistentDeps, ref: AttemptRef, signal: AbortSignal): Promise<Outcome> {
  const { persistent, attempts, builds, logs, log } = deps;
  try {
    const startedAt = deps.now();
    const record = await persistent(() => attempts.start(ref, startedAt));
    await deps.alone();
    const spec = (await persistent(() => builds.get(ref.buildId)))?.spec;
    if (!spec) throw new StaleAttempt(ref.buildId, ref.attempt);
    const writer = new LogWriter(logs, ref, record.maxLogBytes, (error) => log.warn({ err: error }, 'log not written'));
    const outcome = await execute(deps, ref, { record, spec }, writer, signal);
    await writer.flush();
    return outcome;
  } catch (error) {
    if (error instanceof StaleAttempt) throw error;
    log.error({ err: error }, 'attempt broke off');
    return error instanceof RequestNotUnderstood ? outdated(ref, error) : brokenOff(error);
  }
}

/** The build isn't to blame, and other hosts may be newer. */
function outdated({ host }: AttemptRef, { message }: RequestNotUnderstood): Outcome {
  return failed('host_outdated', `the worker of host ${host} does not understand the build, update it: ${message}`);
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
): Promise<Outcome> {
  if (record.cancelRequestedAt !== undefined) return stopped('cancel');
  if (signal.aborted) return stopped(signal.reason as StopReason);
  const note = (message: string) => writer.write({ t: deps.now(), type: 'note', message });
  const startedAt = currentAttempt(record)?.assignedAt ?? record.queuedAt;
  await note(`attempt ${ref.attempt} on host ${ref.host}, after ${startedAt - record.queuedAt} ms in the queue`);
  try {
    const { trust = 'trusted' } = record;
    // The API has seen to this; whatever came in otherwise is refused here.
    const refusal = refusedTo(trust, { output: spec.output, secrets: spec.secrets }, record.granted);
    if (refusal) {
      const { field, got, expected } = refusal;
      return failed('trust_refused', `${field}: ${got}; expected ${expected}: the build is untrusted`);
    }
    const { values: secrets, logins: registryLogins, hidden, warnings } = await attemptSecrets(deps, record, spec);
    for (const message of warnings) await writer.write({ t: deps.now(), type: 'warning', message });
    const source = await openSource(deps, ref, { record, spec }, secrets, note, signal);
    if (!source) return failed('context_invalid', 'the uploaded context is no longer kept; submit it again');
    if (signal.aborted) return stopped(signal.reason as StopReason);
    return await deps.executor.run(
      {
        buildId: ref.buildId,
        attempt: ref.attempt,
        spec,
        trust,
        repo: cacheKey(record),
        source,
        secrets,
        registryLogins,
        hidden,
        artifact: (content) => deps.storeArtifact(ref, content, record).catch(rethrowRefusal),
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

/** Pins a git source to a commit, once for all attempts; finds an uploaded one. */
async function openSource(
  deps: PersistentDeps,
  ref: AttemptRef,
  { record, spec }: { record: BuildRecord; spec: BuildSpec },
  secrets: ReadonlyMap<string, string>,
  note: (message: string) => void | Promise<void>,
  signal: AbortSignal,
): Promise<AttemptSource | undefined> {
  const { source } = spec;
  if (source.type === 'upload') {
    const { digest } = source;
    if (digest === undefined) return undefined;
    const content = await deps.openContext(digest, signal);
    return content && { type: 'tar', open: async () => content };
  }
  const commit = record.commit ?? (await resolveCommit(source, secrets, deps.outgoing, signal));
  if (record.commit === undefined) {
    await deps.persistent(() => deps.attempts.pin(ref, commit));
    await note(`${source.url} ${source.ref ?? 'HEAD'} is ${commit}`);
  }
  // BuildKit looks the name up by itself, a moment later: this leaves as little time as there can be for another answer.
  await checkGitHost(source.url, deps.outgoing);
  const place = { url: source.url, commit, ...(source.subdir !== undefined && { subdir: source.subdir }) };
  const dockerfile = (running: AbortSignal) => commitDockerfile(place, spec, secrets, deps.outgoing, running);
  return { type: 'git', ...place, dockerfile };
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
