import type { Logger } from 'pino';
import type { HookDeps } from '../ports.ts';

/**
 * Reports a retried build to where the build that it repeats was reported, so that the commit's status follows it. Logs a failure: the
 * build is accepted in any case.
 */
export async function reportRetry(
  { id, retryOf }: { readonly id: string; readonly retryOf?: string | undefined },
  { reports, hookQueues, log }: Pick<HookDeps, 'reports' | 'hookQueues'> & { readonly log: Logger },
): Promise<void> {
  if (retryOf === undefined) return;
  try {
    const target = await reports.targetOfAny(retryOf);
    if (target) await hookQueues.reportStatus(await reports.track(target, id));
  } catch (error) {
    log.warn({ err: error, build: id }, 'status of a retried build not reported');
  }
}
