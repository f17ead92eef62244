import { modeDefault, modeList, modeOrder, modeQuery } from '../http/cache-modes.ts';
import { cleanAnswer, cleanRequest } from '../http/cache-references.ts';
import { cacheList, cacheQuery, dropAnswer, dropRequest } from '../http/caches.ts';
import { type RouteDoc, users } from './route.ts';

/** Routes for the caches of hosts. */
export const CACHE_ROUTES = {
  listCaches: {
    method: 'get',
    path: '/v1/caches',
    tag: 'Hosts',
    access: { who: 'users', scopes: ['builds:read', 'hosts:operate'], teams: 'list' },
    summary: 'List the caches of hosts',
    description: 'By the last readings of the hosts. Operators see all caches, others those of their own team’s repos.',
    query: cacheQuery,
    answers: { 200: { description: 'The caches.', content: { 'application/json': cacheList } } },
    problems: ['invalid_request'],
  },
  dropCaches: {
    method: 'post',
    path: '/v1/caches/drop',
    tag: 'Hosts',
    access: { who: 'users', scopes: ['builds:write', 'hosts:operate'], teams: 'request' },
    summary: 'Drop caches on hosts',
    description:
      'Creates a task for each host. A host that is away drops them when it is back. What a build of the named repo uses is dropped when that build ends; without `repo`, what is in use is kept.',
    body: { 'application/json': dropRequest },
    answers: { 202: { description: 'The tasks.', content: { 'application/json': dropAnswer } } },
    problems: [
      ...(['malformed_json', 'invalid_request', 'unsupported_media_type', 'body_too_large'] as const),
      ...(['forbidden', 'host_not_found', 'cache_not_found', 'too_many_tasks'] as const),
    ],
  },
  cleanRegistries: {
    method: 'post',
    path: '/v1/caches/clean-registries',
    tag: 'Hosts',
    access: { who: 'users', scopes: ['builds:write', 'hosts:operate'], teams: 'request' },
    summary: 'Delete unused caches in registries',
    description:
      'Deletes references to which builds have exported caches and that no build has used for some time, with the registry logins that builds have. Only references that still hold caches are deleted.',
    body: { 'application/json': cleanRequest },
    answers: { 200: { description: 'The references.', content: { 'application/json': cleanAnswer } } },
    problems: [
      ...(['malformed_json', 'invalid_request', 'unsupported_media_type', 'body_too_large'] as const),
      'forbidden',
    ],
  },
  listCacheModes: {
    method: 'get',
    path: '/v1/caches/modes',
    tag: 'Hosts',
    access: users('builds:read', 'request'),
    summary: 'List the default cache modes of a team’s repos',
    query: modeQuery,
    answers: { 200: { description: 'The defaults.', content: { 'application/json': modeList } } },
    problems: ['invalid_request', 'forbidden'],
  },
  setCacheMode: {
    method: 'put',
    path: '/v1/caches/modes',
    tag: 'Hosts',
    access: users('builds:write', 'request'),
    summary: 'Set the default cache mode of a repo',
    description:
      'For builds that are accepted from now on and name no `cache`, also those of schedules and webhooks. `registry` applies only to builds with a tag, beside which they keep their caches.',
    body: { 'application/json': modeOrder },
    answers: { 200: { description: 'The default as it is now.', content: { 'application/json': modeDefault } } },
    problems: [
      ...(['malformed_json', 'invalid_request', 'unsupported_media_type', 'body_too_large'] as const),
      'forbidden',
    ],
  },
} as const satisfies Readonly<Record<string, RouteDoc>>;
