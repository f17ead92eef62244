import { type KilnClient, KilnProblem } from '@kiln/client';
import type { BakeInput, TaskView } from '@kiln/contracts';
import { UsageError } from '../../io/errors.ts';

/** How long a host may take to begin, ms. */
const GIVE_UP_MS = 60_000;
const INSTEAD = 'or install docker buildx on this machine';

export interface EvaluateOptions {
  readonly client: KilnClient;
  readonly team: string | undefined;
  readonly now: () => number;
}

/** Has a host of the pool evaluate bake files. Returns what `docker buildx bake --print` printed there. @throws UsageError, and the errors of the client */
export async function evaluateOnHost(bake: BakeInput, { client, team, now }: EvaluateOptions): Promise<string> {
  const task = await client.evaluateBake({ bake, ...(team !== undefined && { team }) }).catch((error: unknown) => {
    throw error instanceof KilnProblem && error.problem.code === 'not_found'
      ? new UsageError(`the server is of a version that can’t evaluate bake files; update it, ${INSTEAD}`)
      : error;
  });
  const until = now() + GIVE_UP_MS;
  let last: TaskView = task;
  for await (last of client.watchTask(task.id)) {
    if (last.endedAt !== undefined) break;
    if (last.state === 'waiting' && now() > until)
      throw new UsageError(`host ${last.host} has not evaluated the bake files within a minute; try again, ${INSTEAD}`);
  }
  const { printed } = last.result ?? {};
  if (typeof printed === 'string') return printed;
  const { code, message = 'failed' } = last.failure ?? {};
  throw new UsageError(
    code === 'bake_invalid' ? message : `host ${last.host} could not evaluate the bake files: ${message}`,
  );
}
