import type { Readable } from 'node:stream';
import type { BuildSpec, LogRecord } from '@kiln/contracts';
import { type BuildRecord, cacheKey, currentAttempt, type Outcome, refusedTo } from '@kiln/domain';
import type { GitGuard } from '@kiln/git';
import type { Logger } from '@kiln/runtime';
import { type AttemptRef, type AttemptStore, type BuildStore, type LogStore, StaleAttempt } from '@kiln/state';
import { rethrowRefusal } from './artifact-refusal.ts';
import { attemptSecrets, NoSecrets, type SecretDeps } from './attempt-secrets.ts';
import type { AttemptSource, ExecuteRequest, StopReason } from './executor.ts';
import { LogWriter } from './log-writer.ts';
import { checkGitHost, resolveCommit } from './resolve-git.ts';
import { SourceUnresolved } from './source-unresolved.ts';

export interface RunAttemptDeps extends SecretDeps {
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
  readonly log: Logger;
  readonly now: () => number;
}

/** The end of an attempt that its host was told to give up. The build isn't blamed for it, nor the host. */
export const HANDED_BACK: Outcome = {
  end: 'failed',
  failure: { code: 'host_drained', message: 'the host was drained, and handed the build back' },
};

/**
 * One attempt from its start to its end in the record. Never throws: a stale attempt ends quietly, because its build is
 * somebody else's by then.
 */
export async function runAttempt(deps: RunAttemptDeps, ref: AttemptRef, signal: AbortSignal): Promise<void> {
  const log = deps.log.child({ buildId: ref.buildId, attempt: ref.attempt });
  try {
    const record = await deps.attempts.start(ref);
    const spec = (await deps.builds.get(ref.buildId))?.spec;
    if (!spec) return;
    const writer = new LogWriter(deps.logs, ref, record.maxLogBytes);
    const outcome = await execute(deps, ref, { record, spec }, writer, signal);
    await writer.flush();
    const settled = await deps.attempts.settle(ref, outcome);
    log.info({ end: outcome.end, state: settled.state, code: outcome.failure?.code }, 'attempt ended');
  } catch (error) {
    if (error instanceof StaleAttempt) log.warn({}, 'attempt is stale; its result is thrown away');
    else log.error({ err: error }, 'attempt failed to end');
  }
}

async function execute(
  deps: RunAttemptDeps,
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
    deps.log.error({ err: error, buildId: ref.buildId }, 'executor failed');
    return failed(
      'infrastructure',
      `the host could not run the build: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** Pins a git source to a commit, once for all attempts; finds an uploaded one. */
async function openSource(
  deps: RunAttemptDeps,
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
    await deps.attempts.pin(ref, commit);
    await note(`${source.url} ${source.ref ?? 'HEAD'} is ${commit}`);
  }
  // BuildKit looks the name up by itself, a moment later: this leaves as little time as there can be for another answer.
  await checkGitHost(source.url, deps.outgoing);
  return { type: 'git', url: source.url, commit, ...(source.subdir !== undefined && { subdir: source.subdir }) };
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

function failed(code: 'trust_refused' | 'context_invalid' | 'infrastructure', message: string): Outcome {
  return { end: 'failed', failure: { code, message } };
}
