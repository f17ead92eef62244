import { type KilnClient, KilnProblem } from '@kiln/client';
import { bytes, type TaskView } from '@kiln/contracts';
import { ownerText } from './host-text.ts';

/** Caches that are being saved on a host or filled on it, or are about to be. */
export interface Transfer {
  readonly task: TaskView;
  /** The host that the caches come from; undefined if that isn't known any more. */
  readonly from: string | undefined;
  /** The host that gets them; undefined: only a snapshot is made. */
  readonly to: string | undefined;
}

/** Returns what is being saved or filled on a host, oldest first. Empty for callers that may not see tasks, and for an API that has none. */
export async function transfersOf(client: KilnClient, host: string, signal?: AbortSignal): Promise<Transfer[]> {
  try {
    return chooseTransfers(await client.tasks({ ...(signal && { signal }) }), host);
  } catch (error) {
    if (error instanceof KilnProblem && [403, 404].includes(error.problem.status)) return [];
    throw error;
  }
}

/** Chooses the open transfers from or to a host among the pool's tasks, which are sorted newest first. */
export function chooseTransfers(tasks: readonly TaskView[], host: string): Transfer[] {
  const saves = tasks.flatMap((task) => {
    const after = task.type === 'save' ? (task.order.seedAfter as { task?: string; host?: string } | undefined) : {};
    return task.type === 'save' ? [{ task, to: after?.host, seed: after?.task }] : [];
  });
  return tasks
    .flatMap((task): Transfer[] => {
      if (task.state !== 'waiting' && task.state !== 'running') return [];
      if (task.type === 'save') {
        const to = saves.find((save) => save.task === task)?.to;
        return task.host === host || to === host ? [{ task, from: task.host, to }] : [];
      }
      if (task.type !== 'seed') return [];
      const from = saves.find(({ seed }) => seed === task.id)?.task.host;
      return task.host === host || from === host ? [{ task, from, to: task.host }] : [];
    })
    .reverse();
}

/** A transfer in JSON output: the task that saves or fills, as the API shows it, without its order. `to` is missing if only a snapshot is made. */
export function transferJson({ task, from, to }: Transfer): object {
  const { id, repo, team, trust, type, state, progress } = task;
  return { from, to, repo, team, trust, task: { id, type, state, progress } };
}

/** Describes a transfer: `app from a to b: saving, 1.20GB of 3.00GB`. */
export function transferText({ task, from, to }: Transfer): string {
  const { repo = 'caches', team, trust = 'trusted', type, state, progress, hostState } = task;
  const what = ownerText({ repo, team: team ?? 'default', trust });
  const route = [from === undefined ? '' : ` from ${from}`, to === undefined ? ' into a snapshot' : ` to ${to}`].join(
    '',
  );
  const doing = type === 'save' ? 'saving' : 'filling';
  const far = progress?.bytes
    ? `, ${bytes(progress.bytes)}${progress.totalBytes ? ` of ${bytes(progress.totalBytes)}` : ''}`
    : '';
  const waits = state === 'waiting' ? `, waits for ${task.host}${hostState === 'live' ? '' : ` (${hostState})`}` : '';
  return `${what}${route}: ${doing}${far}${waits}`;
}
