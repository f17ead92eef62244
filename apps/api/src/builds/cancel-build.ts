import { isTerminal } from '@kiln/domain';
import type { BuildStore, StoredBuild } from '@kiln/state';
import { ApiProblem } from '../http/api-problem.ts';
import type { BuildWatch } from './build-watch.ts';
import { buildNotFound } from './find-build.ts';

/**
 * Cancels a build and waits, until `signal` aborts, for the host that holds it to confirm.
 * `confirmed` says whether the build has ended, or goes on for others only. Canceling a canceled build again changes nothing: a client whose answer was
 * lost may ask twice.
 * @throws ApiProblem `build_not_found`, `already_finished`
 */
export async function cancelBuild(
  id: string,
  { builds, watch, signal }: { builds: Pick<BuildStore, 'cancel'>; watch: BuildWatch; signal: AbortSignal },
): Promise<{ build: StoredBuild; confirmed: boolean }> {
  const canceled = await builds.cancel(id);
  if (!canceled) throw buildNotFound(id);
  const { build, outcome } = canceled;
  const { state } = build.record;
  if (outcome === 'already_finished' && state !== 'canceled') {
    throw new ApiProblem('already_finished', `the build has ended before: ${state}`, {
      errors: [{ field: 'state', got: state, expected: 'queued, assigned or running' }],
    });
  }
  if (outcome !== 'requested') return { build, confirmed: true };
  const ended = await watch.until(id, ({ record }) => isTerminal(record.state), signal);
  return { build: ended ?? build, confirmed: ended !== undefined };
}
