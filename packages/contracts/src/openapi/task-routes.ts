import { taskId } from '../caches/host-task.ts';
import { taskList, taskQuery, taskView, taskWaitQuery } from '../http/tasks.ts';
import type { RouteDoc } from './route.ts';

/** Routes for the tasks of hosts. */
export const TASK_ROUTES = {
  listTasks: {
    method: 'get',
    path: '/v1/tasks',
    tag: 'Hosts',
    access: { who: 'users', scopes: ['builds:read', 'hosts:operate'], teams: 'list' },
    summary: 'List the tasks of hosts, newest first',
    description: 'Ended tasks are kept for a day.',
    query: taskQuery,
    answers: { 200: { description: 'The tasks.', content: { 'application/json': taskList } } },
    problems: ['invalid_request'],
  },
  getTask: {
    method: 'get',
    path: '/v1/tasks/:id',
    tag: 'Hosts',
    access: { who: 'users', scopes: ['builds:read', 'hosts:operate'], teams: 'own' },
    summary: 'Get a task of a host',
    params: { id: taskId },
    query: taskWaitQuery,
    answers: { 200: { description: 'The task.', content: { 'application/json': taskView } } },
    problems: ['invalid_request', 'task_not_found'],
  },
} as const satisfies Readonly<Record<string, RouteDoc>>;
