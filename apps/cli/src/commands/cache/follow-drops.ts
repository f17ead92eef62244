import { type KilnClient, KilnProblem } from '@kiln/client';
import { type DropResult, dropResult, type TaskView } from '@kiln/contracts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { freedText } from './cache-text.ts';

/** How long a host may take to start a task of which its report says that it can, ms. */
const START_MS = 60_000;

export interface FollowDrops {
  readonly client: KilnClient;
  readonly io: Io;
  readonly json: boolean | undefined;
  readonly dryRun: boolean | undefined;
  readonly signal: AbortSignal;
}

/** Waits for the drops of all hosts that are there, and prints what each has freed. Returns the exit code. */
export async function followDrops(tasks: readonly TaskView[], follow: FollowDrops): Promise<number> {
  const { io, json } = follow;
  if (tasks.length === 0) io.err.line('kiln: no host is in the pool');
  const ends = await Promise.all(tasks.map((task) => followDrop(task, follow)));
  if (json) io.out.line(JSON.stringify({ tasks: ends }, null, 2));
  return ends.some(({ state }) => state === 'failed') ? EXIT.notDone : EXIT.ok;
}

async function followDrop(created: TaskView, follow: FollowDrops): Promise<TaskView> {
  const { client, io, signal } = follow;
  let last = created;
  let note: string | undefined;
  try {
    for await (const task of client.watchTask(created.id, { signal })) {
      last = task;
      const text = waitText(task, io.now());
      if (text !== undefined) {
        io.err.line(`kiln: ${task.host}: ${text}`);
        return task;
      }
      if (task.progress?.note !== undefined && task.progress.note !== note) {
        note = task.progress.note;
        io.err.line(`kiln: ${task.host}: ${note}`);
      }
    }
  } catch (error) {
    // Ended, and removed a day after that.
    if (!(error instanceof KilnProblem) || error.problem.code !== 'task_not_found') throw error;
  }
  printEnd(last, follow);
  return last;
}

/** Why a task isn't waited for; undefined if it is. */
function waitText({ state, hostState, createdAt }: TaskView, now: number): string | undefined {
  if (state !== 'waiting') return undefined;
  if (hostState === 'away') return 'not connected; its caches are dropped when it is back';
  if (hostState === 'outdated') return 'its worker is of a version that can’t drop caches; upgrade it';
  if (now - Date.parse(createdAt) < START_MS) return undefined;
  return 'busy with other tasks; its caches are dropped after those';
}

function printEnd({ host, state, result, failure }: TaskView, { io, json, dryRun }: FollowDrops): void {
  if (state === 'failed') io.err.line(`kiln: ${host}: ${failure?.message ?? 'failed'} [${failure?.code}]`);
  const done = dropResult.safeParse(result).data;
  if (!done || json) return;
  io.out.line(`${host}: ${endText(done, dryRun)}`);
  for (const { id } of dryRun ? done.dropped : []) io.out.line(`  ${id}`);
  for (const id of done.shared) io.out.line(`  kept ${id}, which other repositories share; --shared drops it`);
  for (const id of done.inUse) io.out.line(`  kept ${id}, which a build is using`);
}

function endText({ caches, freedBytes }: DropResult, dryRun: boolean | undefined): string {
  if (caches === 0) return 'nothing to drop';
  return `${dryRun ? 'would free' : 'freed'} ${freedText(caches, freedBytes)}`;
}
