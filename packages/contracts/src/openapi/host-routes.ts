import { hostDetail } from '../http/host-caches.ts';
import { hostLosses } from '../http/host-losses.ts';
import { drainOrder, hostChange, joinGrant, joinRequest, removeQuery } from '../http/host-orders.ts';
import { hostName } from '../http/host-report.ts';
import { hostList, hostView } from '../http/views.ts';
import { type RouteDoc, users } from './route.ts';

const host = { name: hostName };
const hostAnswer = { description: 'The host as it is now.', content: { 'application/json': hostView } };

/** Routes for hosts and their operation. */
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
    summary: 'Get a host and the contents of its caches',
    params: { name: hostName },
    answers: { 200: { description: 'The host.', content: { 'application/json': hostDetail } } },
    problems: ['invalid_request', 'host_not_found'],
  },
  listHostLosses: {
    method: 'get',
    path: '/v1/host-losses',
    tag: 'Hosts',
    access: users('hosts:operate', 'pool'),
    summary: 'List hosts by what their loss would cost, the cheapest first',
    description:
      'For autoscalers that remove a host: how much longer the builds of an hour are expected to run without the caches that only this host has, or has warmest. Hosts that take no builds are not listed.',
    answers: { 200: { description: 'The hosts.', content: { 'application/json': hostLosses } } },
    problems: [],
  },
  cordonHost: {
    method: 'post',
    path: '/v1/hosts/:name/cordon',
    tag: 'Hosts',
    access: users('hosts:operate', 'pool'),
    summary: 'Cordon a host',
    description:
      'The host gets no new builds; running ones continue. In effect until the host is uncordoned, even if its worker restarts.',
    params: host,
    answers: { 200: hostAnswer },
    problems: ['invalid_request', 'host_not_found'],
  },
  uncordonHost: {
    method: 'post',
    path: '/v1/hosts/:name/uncordon',
    tag: 'Hosts',
    access: users('hosts:operate', 'pool'),
    summary: 'Uncordon a host',
    description: 'Ends a cordon, a drain, or a removal in progress, so that the host gets builds again.',
    params: host,
    answers: { 200: hostAnswer },
    problems: ['invalid_request', 'host_not_found'],
  },
  drainHost: {
    method: 'post',
    path: '/v1/hosts/:name/drain',
    tag: 'Hosts',
    access: users('hosts:operate', 'pool'),
    summary: 'Drain a host',
    description:
      'The host gets no new builds, finishes those that it has, and is then `drained`. If it is already draining, the new deadline applies.',
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
    summary: 'Set slots and labels of a host',
    description:
      'They override what the worker reports, at once and even if it restarts, until they are reset. `reported` in the response shows the worker’s own.',
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
    summary: 'Remove a host from the pool',
    description:
      'Also removes its settings, and stops its worker, if any. Refused while the host has builds, unless `force` is true.',
    params: host,
    query: removeQuery,
    answers: {
      200: { description: 'Removed. The host as it was.', content: { 'application/json': hostView } },
      202: {
        description: 'The host hands its builds back, and is removed after that.',
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
    summary: 'Join the pool as a worker',
    description: 'For workers on other machines, with a worker token. The response contains secrets.',
    body: { 'application/json': joinRequest },
    answers: { 200: { description: 'How to connect to the pool.', content: { 'application/json': joinGrant } } },
    problems: ['malformed_json', 'invalid_request', 'unsupported_media_type', 'body_too_large', 'join_impossible'],
  },
} as const satisfies Readonly<Record<string, RouteDoc>>;
