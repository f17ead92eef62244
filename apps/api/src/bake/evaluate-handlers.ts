import { evaluateRequest, type OperationId } from '@kiln/contracts';
import type { Trust } from '@kiln/domain';
import type { HostState, HostStore, HostTasks } from '@kiln/state';
import { askedTeam } from '../access/asked-team.ts';
import type { Handler } from '../access/call.ts';
import type { ApiConfig } from '../config.ts';
import { sendJson } from '../http/answer.ts';
import { fieldProblem, parsed } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';
import { jsonBody } from '../http/json-body.ts';
import { viewTask } from '../tasks/task-view.ts';

export interface EvaluateHandlerDeps {
  readonly hosts: Pick<HostStore, 'list'>;
  readonly tasks: Pick<HostTasks, 'create'>;
  /** A number from 0 to below 1. */
  readonly random?: () => number;
}

/** The route that has a host evaluate bake files. */
export function evaluateHandlers(
  config: ApiConfig,
  { hosts, tasks, random = Math.random }: EvaluateHandlerDeps,
): Record<Extract<OperationId, 'evaluateBake'>, Handler> {
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);

  return {
    async evaluateBake(request, response, { principal, note }) {
      const asked = parsed(evaluateRequest, await jsonBody(request, config.maxJsonBytes));
      const team = askedTeam(principal, asked.team);
      const pool = await stored(hosts.list());
      const able = pool.filter((host) => canEvaluate(host, principal.trust));
      const host = able[Math.floor(random() * able.length)];
      const task =
        host &&
        (await stored(tasks.create(host.report.name, { type: 'evaluate', team, bake: asked.bake }, principal.name)));
      if (!host || !task) throw noHost(pool);
      note({ target: task.id, details: { host: host.report.name } });
      sendJson(response, 202, viewTask(task, host));
    },
  };
}

function canEvaluate({ alive, report }: HostState, trust: Trust): boolean {
  return alive && (report.tasks?.includes('evaluate') ?? false) && (report.trust?.includes(trust) ?? true);
}

function noHost(pool: readonly HostState[]) {
  const live = pool.filter(({ alive }) => alive).length;
  return fieldProblem(
    'host_not_found',
    'host',
    live === 0 ? 'no live host' : `${live} live host${live === 1 ? '' : 's'} that can’t`,
    'a live host that can evaluate bake files; update its worker, or install docker buildx where the command runs',
  );
}
