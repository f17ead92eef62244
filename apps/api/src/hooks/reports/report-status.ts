import { isTerminal } from '@kiln/domain';
import { forge, reportStatus, type StatusReport } from '@kiln/forges';
import { type BuildStore, type JobTry, RetryLater, type StoredReport } from '@kiln/state';
import type { Logger } from 'pino';
import type { HookDeps } from '../ports.ts';
import { buildLink, describeBuild } from './describe-build.ts';

export interface ReportParts extends Pick<HookDeps, 'connections' | 'reports'> {
  readonly builds: Pick<BuildStore, 'record'>;
  readonly fetch: typeof fetch;
  /** Root of this Kiln, as it is reached from outside; no slash at its end. */
  readonly base: string;
  readonly timeoutMs: number;
  readonly log: Logger;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** What is to be shown now. `id`: of the build, or of what else it is about. */
interface Wanted extends Pick<StatusReport, 'state' | 'description' | 'url'> {
  readonly id: string;
  readonly isEnd: boolean;
}

/**
 * Tells a forge what a target's newest build is like now, unless that is what it has been told last. What the build was like when the
 * job was made doesn't matter: so a state that is over is never told after a newer one.
 * @throws RetryLater where another try is to come
 */
export async function reportTarget(id: string, { isLast }: JobTry, parts: ReportParts): Promise<void> {
  const { reports, connections, log } = parts;
  const target = await reports.get(id);
  const wanted = target && (await wantedOf(target, parts));
  if (!target || !wanted) return;
  const close = async () => {
    if (wanted.isEnd) await reports.close(wanted.id);
  };
  if (target.sent?.id === wanted.id && target.sent.state === wanted.state) return close();
  const connection = await connections.get(target.connection);
  // Nobody is there to be told, now or later.
  if (connection?.secrets.api === undefined) return reports.close(wanted.id);
  const { repository, commit, context, ref, remote } = target;
  const { state, description, url } = wanted;
  const sent = await reportStatus(
    forge(connection.forge),
    {
      ...{ repository, commit, context, state, description, url, buildId: wanted.id },
      remoteId: remote?.id === wanted.id ? remote.remoteId : undefined,
      ref,
    },
    { apiUrl: connection.apiUrl, token: connection.secrets.api, checks: connection.checks },
    { fetch: parts.fetch, timeoutMs: parts.timeoutMs, nowMs: parts.now(), signal: parts.signal },
  );
  if (sent.delivered) {
    await reports.noteSent(id, { id: wanted.id, state }, sent.remoteId);
    return close();
  }
  if (parts.signal.aborted) throw new RetryLater('this process stops');
  const givesUp = !sent.retry || isLast;
  await reports.noteFailure(id, sent.why, givesUp);
  log.warn(
    { connection: connection.name, repository, commit, context, state, why: sent.why, givesUp },
    'status not reported',
  );
  if (!givesUp) throw new RetryLater(sent.why, sent.afterMs);
  return close();
}

async function wantedOf(
  { build, fixed }: StoredReport,
  { builds, reports, base }: ReportParts,
): Promise<Wanted | undefined> {
  if (fixed) {
    const { id, state, description, path } = fixed;
    return { id, state, description, url: base + path, isEnd: true };
  }
  if (build === undefined) return undefined;
  const record = await builds.record(build);
  if (!record) {
    await reports.close(build);
    return undefined;
  }
  const { state, description } = describeBuild(record);
  return { id: build, state, description, url: buildLink(base, build), isEnd: isTerminal(record.state) };
}
