import { type BuildRecord, currentAttempt, type FailureCode, isInfrastructure } from '@kiln/domain';
import type { ReportedState } from '@kiln/forges';

export interface Described {
  readonly state: ReportedState;
  /** One line for people. */
  readonly description: string;
}

/** Failures that end a build without its fault. */
const OF_POOL: ReadonlySet<FailureCode> = new Set(['poisoned', 'no_fitting_host', 'queue_timeout']);

/** Describes a build for its status at a forge. */
export function describeBuild(record: BuildRecord): Described {
  const { state, failure, steps, supersededBy } = record;
  const took = tookOf(record);
  switch (state) {
    case 'queued':
    case 'assigned':
      return { state: 'pending', description: 'Waiting for a host' };
    case 'running':
      return { state: 'running', description: 'Building' };
    case 'succeeded': {
      const cached = steps && steps.total > 0 ? `, ${steps.cached} of ${steps.total} steps cached` : '';
      return { state: 'succeeded', description: `Built${took && ` in ${took}`}${cached}` };
    }
    case 'failed': {
      const why = (failure?.message ?? '').split('\n', 1)[0] ?? '';
      const isOwnFault = !failure || !(isInfrastructure(failure.code) || OF_POOL.has(failure.code));
      const after = took === '' ? 'Failed' : `Failed after ${took}`;
      return { state: isOwnFault ? 'failed' : 'error', description: why === '' ? after : `${after}: ${why}` };
    }
    case 'canceled':
      return {
        state: 'canceled',
        description: supersededBy === undefined ? 'Canceled' : 'Superseded by a newer build',
      };
  }
}

const MINUTE_SECONDS = 60;

/** How long the last attempt ran; empty if there was none. */
function tookOf(record: BuildRecord): string {
  const startedAt = currentAttempt(record)?.startedAt;
  if (startedAt === undefined || record.finishedAt === undefined) return '';
  const seconds = Math.max(0, Math.round((record.finishedAt - startedAt) / 1_000));
  const minutes = Math.floor(seconds / MINUTE_SECONDS);
  return minutes === 0 ? `${seconds} s` : `${minutes} min ${seconds % MINUTE_SECONDS} s`;
}

/** The URL of a build's log. */
export function buildLink(base: string, id: string): string {
  return `${base}/v1/builds/${id}/logs?format=text`;
}
