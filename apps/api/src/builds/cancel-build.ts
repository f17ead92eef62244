import { isTerminal } from '@kiln/domain';
import type { BuildStore, StoredBuild } from '@kiln/state';
import { ApiProblem } from '../http/api-problem.ts';
import type { BuildWatch } from './build-watch.ts';
import { buildNotFound } from './find-build.ts';

/**
 * Cancels a build and waits, until `signal` aborts, for its host to confirm. `confirmed`: the build has ended, or continues only for the
 * others that share its run. Canceling a canceled build changes nothing, so a client whose answer was lost may retry.
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
    throw new ApiProblem('already_finished', `the build has already ended: ${state}`, {
      errors: [{ field: 'state', got: state, expected: 'queued, assigned or running' }],
    });
  }
  if (outcome !== 'requested') return { build, confirmed: true };
  const ended = await watch.until(id, ({ record }) => isTerminal(record.state), signal);
  return { build: ended ?? build, confirmed: ended !== undefined };
}
