import type { Scope, TeamReach } from '@kiln/domain';
import { z } from 'zod';
import { createdToken, loginQuery, tokenId, tokenList, tokenRequest, tokenView, whoamiView } from '../http/access.ts';
import { auditEntry, auditQuery } from '../http/audit.ts';
import { buildRequest } from '../http/build-request.ts';
import { buildId, contextDigest } from '../http/fields.ts';
import { hostDetail } from '../http/host-caches.ts';
import { drainOrder, hostChange, joinGrant, joinRequest, removeQuery } from '../http/host-orders.ts';
import { hostName } from '../http/host-report.ts';
import {
  buildPage,
  buildQuery,
  buildView,
  hostList,
  hostView,
  logQuery,
  placementView,
  waitQuery,
} from '../http/views.ts';
import { logRecord } from '../log/record.ts';
import { HOOK_ROUTES } from './hook-routes.ts';
import { LIMIT_ROUTES } from './limit-routes.ts';
import type { HeaderDoc, RouteDoc } from './route.ts';
import { SCHEDULE_ROUTES } from './schedule-routes.ts';
import { SECRET_ROUTES } from './secret-routes.ts';

/** Users with a scope, who see their own team's. */
const users = <S extends Scope, T extends TeamReach>(scope: S, teams: T) =>
  ({ who: 'users', scopes: [scope], teams }) as const;

const build = { 'application/json': buildView };
const id = { id: buildId };
const host = { name: hostName };
const hostAnswer = { description: 'The host as it is now.', content: { 'application/json': hostView } };
const tar = { 'application/x-tar': { raw: 'binary', description: 'A tar.' } } as const;

const IDEMPOTENCY: Readonly<Record<string, HeaderDoc>> = {
  'Idempotency-Key': {
    description:
      '1 to 255 visible ASCII characters of your choice. Sent again with the same request, the answer names the build of the first time.',
  },
};
const ACCEPTED_HEADERS: Readonly<Record<string, HeaderDoc>> = {
  Location: { description: 'Address of the build.' },
  'Idempotency-Replayed': {
    description: '`true` where the build was accepted by an earlier request with the same key.',
  },
};

/** What a worker stores as an artifact is named by its attempt: `<build id>-<attempt>`. */
export const artifactName = z.string().regex(/^[0-9a-hjkmnp-tv-z]{26}-[1-9]\d{0,3}$/, '<build id>-<attempt>');
export const storedArtifact = z
  .strictObject({ digest: contextDigest, sizeBytes: z.int() })
  .meta({ id: 'StoredArtifact' });

/** Query of `GET /v1/builds/:id/logs` as documented: `after` does what `Last-Event-ID` does, for clients that can't set headers. */
export const logStreamQuery = z.strictObject({
  ...logQuery.shape,
  after: z
    .string()
    .regex(/^[1-9]\d{0,8}\.\d{1,15}$/, 'the id of a record, such as 1.42')
    .optional()
    .meta({
      description: 'Id of the last record that you have: the log goes on after it. Header Last-Event-ID does the same.',
    }),
});

/** Every route of the API, by operation id. */
export const ROUTES = {
  submitBuild: {
    method: 'post',
    path: '/v1/builds',
    tag: 'Builds',
    access: users('builds:write', 'request'),
    summary: 'Submit a build',
    description:
      'JSON for a git source or a context uploaded before; multipart/form-data for a context in the same request. 202 means that the build is stored durably and will end exactly once. With `supersede` it also means that no older build of its `concurrencyKey` that waits will be given to a host.',
    headers: IDEMPOTENCY,
    body: {
      'application/json': buildRequest,
      'multipart/form-data': {
        parts: {
          request: buildRequest,
          context: {
            raw: 'binary',
            description:
              'Tar or gzipped tar of the build context. Sent last, a bad request is refused before it is read.',
          },
        },
        required: ['request', 'context'],
      },
    },
    answers: { 202: { description: 'Accepted.', content: build, headers: ACCEPTED_HEADERS } },
    problems: [
      'malformed_json',
      'malformed_multipart',
      'invalid_request',
      'unsupported_media_type',
      'body_too_large',
      'context_not_found',
      'context_invalid',
      'context_incomplete',
      'idempotency_key_reused',
      'secret_missing',
      'target_refused',
      'queue_full',
      'disk_full',
    ],
  },
  listBuilds: {
    method: 'get',
    path: '/v1/builds',
    tag: 'Builds',
    access: users('builds:read', 'list'),
    summary: 'List builds, newest first',
    query: buildQuery,
    answers: { 200: { description: 'A page of builds.', content: { 'application/json': buildPage } } },
    problems: ['invalid_request'],
  },
  getBuild: {
    method: 'get',
    path: '/v1/builds/:id',
    tag: 'Builds',
    access: users('builds:read', 'build'),
    summary: 'Read a build',
    params: id,
    query: waitQuery,
    answers: { 200: { description: 'The build.', content: build } },
    problems: ['invalid_request', 'build_not_found'],
  },
  cancelBuild: {
    method: 'post',
    path: '/v1/builds/:id/cancel',
    tag: 'Builds',
    access: users('builds:write', 'build'),
    summary: 'Cancel a build',
    description:
      'Waits some seconds for the host to confirm. 200: the build has ended; `cancelCameTooLate` says whether it did so by itself. 202: the host has not confirmed yet. Canceling a canceled build again is harmless. A build whose run others share (`dedupe`) goes on for them: 200, with `releasedAt`. One that shares another’s run ends at once and leaves the run to the others; the last one cancels the run.',
    params: id,
    answers: {
      200: { description: 'The build has ended, or goes on for others only.', content: build },
      202: { description: 'The cancel is stored; the host has not confirmed it yet.', content: build },
    },
    problems: ['invalid_request', 'build_not_found', 'already_finished'],
  },
  retryBuild: {
    method: 'post',
    path: '/v1/builds/:id/retry',
    tag: 'Builds',
    access: users('builds:write', 'build'),
    summary: 'Build again what has ended',
    description: 'A new build with the same request and secrets; `retryOf` names the old one.',
    params: id,
    headers: IDEMPOTENCY,
    answers: { 202: { description: 'Accepted.', content: build, headers: ACCEPTED_HEADERS } },
    problems: [
      'invalid_request',
      'build_not_found',
      'not_retriable',
      'idempotency_key_reused',
      'target_refused',
      'queue_full',
      'secret_missing',
      'body_too_large',
    ],
  },
  readLog: {
    method: 'get',
    path: '/v1/builds/:id/logs',
    tag: 'Logs',
    access: users('logs:read', 'build'),
    summary: 'Read or follow the log',
    description:
      'As server-sent events, lines of JSON or plain text: by `format`, else by Accept. Each record has an id, `<attempt>.<number>`, from which a later request goes on without gap or repeat. The stream goes over to the next attempt where one follows, and ends after the final `end` record.',
    params: id,
    query: logStreamQuery,
    headers: { 'Last-Event-ID': { description: 'Id of the last record that you have: the log goes on after it.' } },
    answers: {
      200: {
        description: 'The log.',
        content: {
          'text/event-stream': {
            raw: 'text',
            description:
              'Events `id: <record id>`, `event: <record type>`, `data: <record as JSON>`; comments as heartbeats.',
          },
          'application/x-ndjson': logRecord.meta({
            id: 'LogRecord',
            description: 'One record in each line, with its `id` first.',
          }),
          'text/plain': { raw: 'text', description: 'As `docker buildx build --progress=plain` prints it.' },
        },
      },
      204: { description: 'You have all of it: an EventSource stops reconnecting.' },
    },
    problems: ['invalid_request', 'build_not_found', 'log_not_found'],
  },
  readPlacement: {
    method: 'get',
    path: '/v1/builds/:id/placement',
    tag: 'Builds',
    access: users('builds:read', 'build'),
    summary: 'Why the build ran where it ran, or waits',
    params: id,
    answers: { 200: { description: 'The decisions, oldest first.', content: { 'application/json': placementView } } },
    problems: ['invalid_request', 'build_not_found'],
  },
  readArtifact: {
    method: 'get',
    path: '/v1/builds/:id/artifact',
    tag: 'Contexts and artifacts',
    access: users('builds:read', 'build'),
    summary: 'Download the artifact',
    description: 'The files of the final stage, of a build with output `artifact`.',
    params: id,
    answers: { 200: { description: 'A tar.', content: tar } },
    problems: ['invalid_request', 'build_not_found', 'artifact_not_found'],
  },
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
  readContext: {
    method: 'get',
    path: '/v1/contexts/:digest',
    tag: 'Contexts and artifacts',
    access: { who: 'users', scopes: ['builds:read'], workers: true, teams: 'context' },
    summary: 'Read an uploaded context',
    params: { digest: contextDigest },
    answers: {
      200: {
        description: 'The bytes as they were uploaded.',
        content: { 'application/octet-stream': { raw: 'binary' } },
      },
    },
    problems: ['invalid_request', 'context_not_found'],
  },
  storeArtifact: {
    method: 'put',
    path: '/v1/artifacts/:name',
    tag: 'Contexts and artifacts',
    access: { who: 'users', scopes: ['admin'], workers: true, teams: 'pool' },
    summary: 'Store the artifact of a running attempt',
    description: 'For workers on other machines.',
    params: { name: artifactName },
    body: tar,
    answers: { 201: { description: 'Stored.', content: { 'application/json': storedArtifact } } },
    problems: ['invalid_request', 'build_not_found', 'already_finished', 'context_incomplete', 'disk_full'],
  },
  ...SECRET_ROUTES,
  ...HOOK_ROUTES,
  createToken: {
    method: 'post',
    path: '/v1/tokens',
    tag: 'Access',
    access: users('admin', 'pool'),
    summary: 'Create a token',
    description:
      'The token is in the answer and nowhere else. Scanners find tokens by `kiln_(?:api|worker|admin)_[0-9A-Za-z]{49}`.',
    body: { 'application/json': tokenRequest },
    answers: { 201: { description: 'Created.', content: { 'application/json': createdToken } } },
    problems: ['malformed_json', 'invalid_request', 'unsupported_media_type', 'body_too_large'],
  },
  listTokens: {
    method: 'get',
    path: '/v1/tokens',
    tag: 'Access',
    access: users('admin', 'pool'),
    summary: 'List tokens, oldest first',
    answers: { 200: { description: 'All that are not revoked.', content: { 'application/json': tokenList } } },
    problems: [],
  },
  revokeToken: {
    method: 'delete',
    path: '/v1/tokens/:id',
    tag: 'Access',
    access: users('admin', 'pool'),
    summary: 'Revoke a token',
    description: 'At once and for good; what it follows at the time is cut off.',
    params: { id: tokenId },
    answers: { 200: { description: 'The token as it was.', content: { 'application/json': tokenView } } },
    problems: ['invalid_request', 'token_not_found'],
  },
  readAudit: {
    method: 'get',
    path: '/v1/audit',
    tag: 'Access',
    access: users('admin', 'pool'),
    summary: 'Export the audit log',
    description:
      'Every change that was made or tried, and every refusal, oldest first, one in each line. Go on from where you are with `after`. Entries are only ever appended; they are dropped when their retention is over. Empty lines are signs of life.',
    query: auditQuery,
    answers: { 200: { description: 'The entries.', content: { 'application/x-ndjson': auditEntry } } },
    problems: ['invalid_request'],
  },
  whoami: {
    method: 'get',
    path: '/v1/whoami',
    tag: 'Access',
    access: { who: 'known' },
    summary: 'Whom the credential stands for',
    answers: {
      200: { description: 'Who, of which team, with which scopes.', content: { 'application/json': whoamiView } },
    },
    problems: [],
  },
  ...SCHEDULE_ROUTES,
  ...LIMIT_ROUTES,
  startLogin: {
    method: 'get',
    path: '/auth/login',
    tag: 'Login',
    access: { who: 'anyone' },
    summary: 'Log in in the browser',
    description: 'By the OIDC issuer that this Kiln is set up with.',
    query: loginQuery,
    answers: { 302: { description: 'To the issuer.' } },
    problems: ['invalid_request', 'not_found'],
  },
  finishLogin: {
    method: 'get',
    path: '/auth/callback',
    tag: 'Login',
    access: { who: 'anyone' },
    changes: true,
    summary: 'Where the issuer sends the browser back to',
    answers: { 303: { description: 'Logged in: to where the login was to lead.' } },
    problems: ['unauthorized', 'forbidden', 'not_found'],
  },
  logout: {
    method: 'post',
    path: '/auth/logout',
    tag: 'Login',
    access: { who: 'known' },
    summary: 'Log out',
    description: 'Ends the session at once. A bearer token is left as it is.',
    answers: { 204: { description: 'There is no session any more.' } },
    problems: [],
  },
  health: {
    method: 'get',
    path: '/healthz',
    tag: 'Service',
    access: { who: 'anyone' },
    summary: 'Whether the process lives',
    answers: { 200: { description: 'It does.', content: { 'text/plain': { raw: 'text' } } } },
    problems: [],
  },
  ready: {
    method: 'get',
    path: '/readyz',
    tag: 'Service',
    access: { who: 'anyone' },
    summary: 'Whether requests can be served',
    answers: { 200: { description: 'They can.', content: { 'text/plain': { raw: 'text' } } } },
    problems: ['unavailable'],
  },
  openapi: {
    method: 'get',
    path: '/openapi.json',
    tag: 'Service',
    access: { who: 'anyone' },
    summary: 'This document',
    answers: {
      200: { description: 'OpenAPI 3.1.', content: { 'application/json': z.looseObject({ openapi: z.string() }) } },
    },
    problems: [],
  },
  docs: {
    method: 'get',
    path: '/docs',
    tag: 'Service',
    access: { who: 'anyone' },
    summary: 'This document, to read',
    answers: { 200: { description: 'A page.', content: { 'text/html': { raw: 'text' } } } },
    problems: [],
  },
} as const satisfies Readonly<Record<string, RouteDoc>>;

export type OperationId = keyof typeof ROUTES;
