import { isTerminal } from '@kiln/domain';
import {
  type ConnectionTokens,
  type Delivery,
  forge,
  NoInstallationToken,
  reportStatus,
  reportsStatuses,
  type StatusReport,
} from '@kiln/forges';
import type { Metrics } from '@kiln/metrics';
import { type BuildStore, type JobTry, RetryLater, type StoredConnection, type StoredReport } from '@kiln/state';
import type { Logger } from 'pino';
import type { HookDeps } from '../ports.ts';
import { buildLink, describeBuild } from './describe-build.ts';

export interface ReportDeps extends Pick<HookDeps, 'connections' | 'reports'> {
  readonly builds: Pick<BuildStore, 'record'>;
  readonly tokens: Pick<ConnectionTokens, 'api'>;
  readonly fetch: typeof fetch;
  /** The public URL of this Kiln, without a slash at its end. */
  readonly base: string;
  readonly timeoutMs: number;
  readonly log: Logger;
  readonly metrics?: Metrics | undefined;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** What the status has to show now. `id`: of the build, or of the delivery whose configuration is invalid. */
interface Wanted extends Pick<StatusReport, 'state' | 'description' | 'url'> {
  readonly id: string;
  readonly isEnd: boolean;
}

/**
 * Reports the current state of a target's newest build to the forge, unless it was reported last. Because the state is read now, not when
 * the job was enqueued, an older state is never reported after a newer one.
 * @throws RetryLater if there will be another try
 */
export async function reportTarget(id: string, { isLast }: JobTry, parts: ReportDeps): Promise<void> {
  const { reports, connections, log } = parts;
  const target = await reports.get(id);
  const wanted = target && (await wantedOf(target, parts));
  if (!target || !wanted) return;
  const close = async () => {
    if (wanted.isEnd) await reports.close(wanted.id);
  };
  if (target.sent?.id === wanted.id && target.sent.state === wanted.state) return close();
  const connection = await connections.get(target.connection);
  // Without a connection or an API token, nothing can be reported, now or later.
  if (!connection || !reportsStatuses(connection)) return reports.close(wanted.id);
  const { repository, commit, context, ref, remote } = target;
  const { state, description, url } = wanted;
  const remoteId = remote?.id === wanted.id ? remote.remoteId : undefined;
  const sent = await send(
    { repository, commit, context, state, description, url, buildId: wanted.id, remoteId, ref },
    connection,
    parts,
  );
  if (sent.delivered) {
    parts.metrics?.count('kiln_status_reports_total', 1, { result: 'sent' });
    await reports.noteSent(id, { id: wanted.id, state }, sent.remoteId);
    return close();
  }
  if (parts.signal.aborted) throw new RetryLater('this process is stopping');
  const givesUp = !sent.retry || isLast;
  parts.metrics?.count('kiln_status_reports_total', 1, { result: givesUp ? 'given_up' : 'failed' });
  await reports.noteFailure(id, sent.why, givesUp);
  log.warn(
    { connection: connection.name, repository, commit, context, state, why: sent.why, givesUp },
    'status not reported',
  );
  if (!givesUp) throw new RetryLater(sent.why, sent.afterMs);
  return close();
}

async function send(report: StatusReport, connection: StoredConnection, deps: ReportDeps): Promise<Delivery> {
  const { tokens, fetch, timeoutMs, now, signal } = deps;
  try {
    const token = (await tokens.api(connection, report.repository, signal)) ?? '';
    const { apiUrl, checks } = connection;
    return await reportStatus(
      forge(connection.forge),
      report,
      { apiUrl, token, checks },
      {
        ...{ fetch, timeoutMs, nowMs: now(), signal },
      },
    );
  } catch (error) {
    if (!(error instanceof NoInstallationToken)) throw error;
    return { delivered: false, retry: error.isPassing, why: error.message };
  }
}

async function wantedOf(
  { build, fixed }: StoredReport,
  { builds, reports, base }: ReportDeps,
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
