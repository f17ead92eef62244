import { hostDetail } from '../http/host-caches.ts';
import { drainOrder, hostChange, joinGrant, joinRequest, removeQuery } from '../http/host-orders.ts';
import { hostName } from '../http/host-report.ts';
import { hostList, hostView } from '../http/views.ts';
import { type RouteDoc, users } from './route.ts';

const host = { name: hostName };
const hostAnswer = { description: 'The host as it is now.', content: { 'application/json': hostView } };

/** What there is of hosts, and what operators want of them. */
export const HOST_ROUTES = {
  listHosts: {
    method: 'get',
    path: '/v1/hosts',
    tag: 'Hosts',
    access: { who: 'users', scopes: ['builds:read', 'hosts:operate'], teams: 'list' },
    summary: 'List the hosts of the pool',
    answers: { 200: { description: 'All hosts.', content: { 'application/json': hostList } } },
    problems: [],
  },
  readHost: {
    method: 'get',
    path: '/v1/hosts/:name',
    tag: 'Hosts',
    access: users('hosts:operate', 'pool'),
    summary: 'Read a host and what its caches hold',
    params: { name: hostName },
    answers: { 200: { description: 'The host.', content: { 'application/json': hostDetail } } },
    problems: ['invalid_request', 'host_not_found'],
  },
  cordonHost: {
    method: 'post',
    path: '/v1/hosts/:name/cordon',
    tag: 'Hosts',
    access: users('hosts:operate', 'pool'),
    summary: 'Give a host nothing new',
    description: 'What it holds goes on. Holds until it is uncordoned, also over restarts of its worker.',
    params: host,
    answers: { 200: hostAnswer },
    problems: ['invalid_request', 'host_not_found'],
  },
  uncordonHost: {
    method: 'post',
    path: '/v1/hosts/:name/uncordon',
    tag: 'Hosts',
    access: users('hosts:operate', 'pool'),
    summary: 'Give a host builds again',
    description: 'Ends a cordon, a drain, and a removal that is under way.',
    params: host,
    answers: { 200: hostAnswer },
    problems: ['invalid_request', 'host_not_found'],
  },
  drainHost: {
    method: 'post',
    path: '/v1/hosts/:name/drain',
    tag: 'Hosts',
    access: users('hosts:operate', 'pool'),
    summary: 'Empty a host',
    description:
      'A cordon, after which the host finishes what it holds and is `drained`. Asked again, the new deadline holds.',
    params: host,
    body: { 'application/json': drainOrder },
    bodyRequired: false,
    answers: { 200: hostAnswer },
    problems: ['malformed_json', 'invalid_request', 'unsupported_media_type', 'body_too_large', 'host_not_found'],
  },
  changeHost: {
    method: 'patch',
    path: '/v1/hosts/:name',
    tag: 'Hosts',
    access: users('hosts:operate', 'pool'),
    summary: 'Set slots and labels',
    description:
      'They go before what the worker reports, at once and over its restarts, until they are taken back; `reported` in the answer shows the worker’s own.',
    params: host,
    body: { 'application/json': hostChange },
    answers: { 200: hostAnswer },
    problems: ['malformed_json', 'invalid_request', 'unsupported_media_type', 'body_too_large', 'host_not_found'],
  },
  removeHost: {
    method: 'delete',
    path: '/v1/hosts/:name',
    tag: 'Hosts',
    access: users('hosts:operate', 'pool'),
    summary: 'Take a host out of the pool',
    description:
      'With its settings; its worker, where one lives, is told so and ends. A host that holds builds is refused unless `force` is true.',
    params: host,
    query: removeQuery,
    answers: {
      200: { description: 'Removed; the host as it was last.', content: { 'application/json': hostView } },
      202: {
        description: 'It hands back what it holds, and is removed when that is done.',
        content: { 'application/json': hostView },
      },
    },
    problems: ['invalid_request', 'host_not_found', 'host_busy'],
  },
  joinPool: {
    method: 'post',
    path: '/v1/workers/join',
    tag: 'Hosts',
    access: { who: 'workers' },
    summary: 'What a worker needs to join',
    description: 'For workers on other machines, with a worker token. The answer holds secrets.',
    body: { 'application/json': joinRequest },
    answers: { 200: { description: 'How to reach the pool.', content: { 'application/json': joinGrant } } },
    problems: ['malformed_json', 'invalid_request', 'unsupported_media_type', 'body_too_large', 'join_impossible'],
  },
} as const satisfies Readonly<Record<string, RouteDoc>>;
