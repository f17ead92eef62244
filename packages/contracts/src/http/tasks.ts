import { TRUSTS } from '@kiln/domain';
import { z } from 'zod';
import { HOST_TASK_STATES, taskId } from '../caches/host-task.ts';
import { instant } from './fields.ts';
import { hostName } from './host-report.ts';

/** A task of a host as the API shows it. */
export const taskView = z
  .strictObject({
    id: taskId,
    host: hostName,
    type: z.string().meta({ description: 'What is done, such as `drop`.' }),
    repo: z.string().optional().meta({ description: 'The repo whose caches it concerns. Absent: those of several.' }),
    team: z.string().optional().meta({ description: 'The team whose caches it concerns. Absent: those of all.' }),
    trust: z.enum(TRUSTS).optional().meta({ description: 'Trust class of the repo’s builds.' }),
    order: z.record(z.string(), z.unknown()).meta({ description: 'The whole order; its form depends on the type.' }),
    state: z.enum(HOST_TASK_STATES),
    createdAt: instant,
    createdBy: z.string().optional().meta({ description: 'Who ordered it. Absent: Kiln itself.' }),
    startedAt: instant.optional(),
    endedAt: instant.optional(),
    progress: z
      .strictObject({
        bytes: z.int(),
        totalBytes: z.int().optional(),
        note: z.string().optional().meta({ description: 'What it waits for.' }),
      })
      .optional(),
    result: z
      .record(z.string(), z.unknown())
      .optional()
      .meta({ description: 'What a task that succeeded did; its form depends on the type.' }),
    failure: z.strictObject({ code: z.string(), message: z.string() }).optional(),
    hostState: z.enum(['live', 'away', 'outdated']).optional().meta({
      description:
        'Of a waiting task. `live`: the host is about to start it; `away`: its worker is not connected, and starts it when it is back; `outdated`: its worker is of a version that can’t.',
    }),
  })
  .meta({ id: 'HostTask' });
export type TaskView = z.output<typeof taskView>;

export const taskList = z.strictObject({ tasks: z.array(taskView) }).meta({ id: 'HostTaskList' });

/** Query of `GET /v1/tasks`. */
export const taskQuery = z.strictObject({
  host: hostName.optional(),
  state: z.enum(HOST_TASK_STATES).optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});

/** Query of `GET /v1/tasks/:id`. */
export const taskWaitQuery = z.strictObject({
  wait: z.coerce.number().int().min(0).max(300).default(0).meta({
    description: 'Wait with the response until the task has ended, for at most this many seconds.',
  }),
});
