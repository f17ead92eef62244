import { type HostTask, type TaskView, teamOfTask } from '@kiln/contracts';
import { readCacheKey } from '@kiln/domain';
import type { HostState } from '@kiln/state';
import { instant } from '../http/answer.ts';

/** The view of a task. @param host the task's host; undefined if it isn't in the pool */
export function viewTask(task: HostTask, host: HostState | undefined): TaskView {
  const { id, order, state, createdAt, createdBy, startedAt, endedAt, progress, result, failure } = task;
  const { type, ...all } = order;
  // The files of an evaluation are as large as its result.
  const { bake: _, ...rest } = 'bake' in all ? all : { ...all, bake: undefined };
  const owner = 'repo' in order && order.repo !== undefined ? readCacheKey(order.repo) : undefined;
  const team = teamOfTask(order);
  return {
    ...{ id, host: task.host, type, order: rest, state },
    ...(owner && { repo: owner.repo, trust: owner.trust }),
    ...(team !== undefined && { team }),
    createdAt: instant(createdAt),
    ...(createdBy !== undefined && { createdBy }),
    ...(startedAt !== undefined && { startedAt: instant(startedAt) }),
    ...(endedAt !== undefined && { endedAt: instant(endedAt) }),
    ...(progress && { progress }),
    ...(result && { result }),
    ...(failure && { failure }),
    ...(state === 'waiting' && { hostState: hostStateFor(type, host) }),
  };
}

function hostStateFor(type: string, host: HostState | undefined): NonNullable<TaskView['hostState']> {
  if (!host?.alive) return 'away';
  return host.report.tasks?.includes(type) ? 'live' : 'outdated';
}
