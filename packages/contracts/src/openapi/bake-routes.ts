import { evaluateRequest } from '../http/bake-evaluation.ts';
import { taskView } from '../http/tasks.ts';
import { anyTrust, type RouteDoc } from './route.ts';

/** Routes for bake files. */
export const BAKE_ROUTES = {
  evaluateBake: {
    method: 'post',
    path: '/v1/bake/evaluate',
    tag: 'Builds',
    access: anyTrust('builds:write', 'request'),
    summary: 'Evaluate bake files',
    description:
      'Creates a task for a host, whose `result.printed` is what `docker buildx bake --print` prints, or whose failure has the code `bake_invalid`. The files are evaluated in a container of their own, without a network and with nothing but them. The task is kept for 10 minutes after its end.',
    body: { 'application/json': evaluateRequest },
    answers: { 202: { description: 'The task.', content: { 'application/json': taskView } } },
    problems: [
      ...(['malformed_json', 'invalid_request', 'unsupported_media_type', 'body_too_large'] as const),
      ...(['host_not_found', 'too_many_tasks'] as const),
    ],
  },
} as const satisfies Readonly<Record<string, RouteDoc>>;
