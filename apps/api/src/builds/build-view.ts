import type { BuildView } from '@kiln/contracts';
import { type Attempt, type BuildRecord, currentAttempt, type ImageResult, waitsForHost } from '@kiln/domain';
import type { StoredBuild, StoredDecision } from '@kiln/state';
import { instant } from '../http/answer.ts';

/** The view of a stored build. `decision`, `ahead`: its last placement decision and how many builds are queued before it, if that is to be shown while it waits. */
export function viewBuild({ record, spec }: StoredBuild, decision?: StoredDecision, ahead?: number): BuildView {
  const attempt = currentAttempt(record);
  const { commit, retryOf, steps, result, failure, finishedAt, cancelRequestedAt, releasedAt } = record;
  const { supersededBy, sharedRun, createdBy } = record;
  const self = `/v1/builds/${record.id}`;
  return {
    id: record.id,
    state: record.state,
    revision: record.revision,
    repo: record.repo,
    team: record.team,
    trust: record.trust ?? 'trusted',
    ...(createdBy && { createdBy: { ...createdBy } }),
    ...(record.trace && { traceId: record.trace.id }),
    createdAt: instant(record.createdAt),
    queuedAt: instant(record.queuedAt),
    ...(decision && waitsForHost(record) && viewWaiting(decision, ahead)),
    ...(record.queueTimeoutMs !== undefined && { queueTimeoutSeconds: record.queueTimeoutMs / 1000 }),
    ...(attempt?.startedAt !== undefined && { startedAt: instant(attempt.startedAt) }),
    ...(finishedAt !== undefined && { finishedAt: instant(finishedAt) }),
    ...(finishedAt !== undefined &&
      attempt?.startedAt !== undefined && { durationMs: Math.max(0, Math.round(finishedAt - attempt.startedAt)) }),
    ...(attempt && { host: attempt.host }),
    ...(commit !== undefined && { commit }),
    ...(retryOf !== undefined && { retryOf }),
    ...(cancelRequestedAt !== undefined && { cancelRequestedAt: instant(cancelRequestedAt) }),
    ...(supersededBy !== undefined && { supersededBy }),
    ...(sharedRun !== undefined && { sharedRun }),
    ...(releasedAt !== undefined && { releasedAt: instant(releasedAt) }),
    ...(cancelCameTooLate(record) && { cancelCameTooLate: true }),
    ...(steps && { steps: { ...steps } }),
    ...(result && { result: viewResult(result) }),
    ...(failure && { failure: { ...failure } }),
    attempts: record.attempts.map(viewAttempt),
    request: spec,
    links: {
      self,
      logs: `${self}/logs`,
      placement: `${self}/placement`,
      ...(result?.artifact && { artifact: `${self}/artifact` }),
    },
  };
}

/** Why a build waits; empty for a decision that assigned an earlier attempt to a host. */
function viewWaiting(decision: StoredDecision, ahead: number | undefined): Pick<BuildView, 'waiting'> {
  const { host, reason, limit, decidedAt, considered } = decision;
  if (host !== null) return {};
  const awaited = considered.find(({ verdict }) => verdict === 'awaited');
  const startAt = expectedStart(decision);
  return {
    waiting: {
      reason,
      ...(awaited && { host: awaited.host }),
      ...(limit !== undefined && { limit }),
      decidedAt: instant(decidedAt),
      ...(startAt !== undefined && { startAt: instant(startAt) }),
      ...(ahead !== undefined && { ahead }),
    },
  };
}

/** When a waiting build is expected to start: on the host that it waits for, or else on the one that is free first. ms since the epoch. */
function expectedStart({ predicted, considered }: StoredDecision): number | undefined {
  if (predicted) return predicted.startAt;
  const starts = considered.flatMap((one) => (one.predicted ? [one.predicted.startAt] : []));
  return starts.length > 0 ? Math.min(...starts) : undefined;
}

/** Whether a cancel was requested, but the build ended by itself first. */
function cancelCameTooLate({ state, cancelRequestedAt }: BuildRecord): boolean {
  return cancelRequestedAt !== undefined && (state === 'succeeded' || state === 'failed');
}

function viewResult(result: NonNullable<BuildRecord['result']>): NonNullable<BuildView['result']> {
  const { targets, artifact, notPushed, ...own } = result;
  const byName = Object.entries(targets ?? {}).map(([name, image]) => [name, viewImage(image)] as const);
  return {
    ...viewImage(own),
    ...(targets && { targets: Object.fromEntries(byName) }),
    ...(notPushed && { notPushed: [...notPushed] }),
    ...(artifact && { artifact }),
  };
}

function viewImage({ pushed, loaded, ...rest }: ImageResult) {
  return { ...rest, ...(pushed && { pushed: [...pushed] }), ...(loaded && { loaded: [...loaded] }) };
}

/** The view of an attempt, which leaves out the worker's incarnation. */
function viewAttempt({
  number,
  host,
  assignedAt,
  startedAt,
  endedAt,
  end,
  failure,
}: Attempt): BuildView['attempts'][number] {
  return {
    number,
    host,
    assignedAt: instant(assignedAt),
    ...(startedAt !== undefined && { startedAt: instant(startedAt) }),
    ...(endedAt !== undefined && { endedAt: instant(endedAt) }),
    ...(end && { end }),
    ...(failure && { failure: { ...failure } }),
  };
}
