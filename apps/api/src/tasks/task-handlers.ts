import { type HostTask, type OperationId, taskId, taskQuery, taskWaitQuery, teamOfTask } from '@kiln/contracts';
import { holds, type Principal, seesTeam } from '@kiln/domain';
import type { HostStore, HostTasks, PoolEvents } from '@kiln/state';
import type { Handler } from '../access/call.ts';
import type { ApiConfig } from '../config.ts';
import { sendJson } from '../http/answer.ts';
import { fieldProblem, parameter, parsed } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';
import { viewTask } from './task-view.ts';
import { waitForTask } from './wait-for-task.ts';

type TaskOperation = Extract<OperationId, 'listTasks' | 'getTask'>;

export interface TaskHandlerDeps {
  readonly tasks: Pick<HostTasks, 'get' | 'list'>;
  readonly hosts: Pick<HostStore, 'list' | 'get'>;
  readonly events: Pick<PoolEvents, 'subscribe'>;
  /** Aborts when the process stops. */
  readonly closing: AbortSignal;
}

/** The routes of hosts' tasks. Operators see all of them, others those of their own team's repos. */
export function taskHandlers(
  config: ApiConfig,
  { tasks, hosts, events, closing }: TaskHandlerDeps,
): Record<TaskOperation, Handler> {
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);

  return {
    async listTasks(request, response, { principal }) {
      const { limit, ...filter } = parsed(taskQuery, request.query, 'query ');
      const [all, pool] = await stored(Promise.all([tasks.list(filter), hosts.list()]));
      const byName = new Map(pool.map((host) => [host.report.name, host]));
      const seen = all.filter((task) => seesTask(principal, task)).slice(0, limit);
      sendJson(response, 200, { tasks: seen.map((task) => viewTask(task, byName.get(task.host))) });
    },

    async getTask(request, response, { principal }) {
      const id = parameter(taskId, 'id', request.params.id);
      const { wait } = parsed(taskWaitQuery, request.query, 'query ');
      const found = async () => {
        const task = await stored(tasks.get(id));
        if (!task || !seesTask(principal, task)) {
          throw fieldProblem('task_not_found', 'id', id, 'the id of a task; GET /v1/tasks lists them');
        }
        return task;
      };
      let task = await found();
      if (wait > 0 && task.endedAt === undefined) {
        const gone = new AbortController();
        response.on('close', () => gone.abort());
        const signal = AbortSignal.any([AbortSignal.timeout(wait * 1_000), gone.signal, closing]);
        await waitForTask(id, { tasks, events, signal });
        task = await found();
      }
      sendJson(response, 200, viewTask(task, await stored(hosts.get(task.host))));
    },
  };
}

/** Whether the principal may see a task: it operates hosts, or the task concerns only its own team's repos. */
export function seesTask(principal: Principal, { order }: HostTask): boolean {
  const team = teamOfTask(order);
  return holds(principal, 'hosts:operate') || (team !== undefined && seesTeam(principal, team));
}
