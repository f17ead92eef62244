import type { BuildRecord } from './record.ts';

/**
 * Returns until when the build may wait for a host, ms since the epoch; undefined if there is no limit. Its queue timeout counts from its
 * submission, without the time during which a host had it: a build whose host is lost goes on waiting with what is left.
 */
export function queueDeadline({ createdAt, queueTimeoutMs, attempts }: BuildRecord): number | undefined {
  if (queueTimeoutMs === undefined) return undefined;
  const onHostsMs = attempts.reduce((sum, { assignedAt, endedAt = assignedAt }) => sum + (endedAt - assignedAt), 0);
  return createdAt + queueTimeoutMs + onHostsMs;
}
