import { z } from 'zod';
import { buildRequest } from '../http/build-request.ts';
import { buildView } from '../http/build-view.ts';
import { retryRequest } from '../http/client-logins.ts';
import { checkList } from '../http/doctor.ts';
import { buildId, contextDigest } from '../http/fields.ts';
import { versionView } from '../http/version.ts';
import { buildPage, buildQuery, logQuery, placementView, waitQuery } from '../http/views.ts';
import { whySlowQuery, whySlowView } from '../http/why-slow.ts';
import { logRecord } from '../log/record.ts';
import { ACCESS_ROUTES } from './access-routes.ts';
import { BAKE_ROUTES } from './bake-routes.ts';
import { CACHE_ROUTES } from './cache-routes.ts';
import { HOOK_ROUTES } from './hook-routes.ts';
import { HOST_ROUTES } from './host-routes.ts';
import { LIMIT_ROUTES } from './limit-routes.ts';
import { anyTrust, type HeaderDoc, type RouteDoc, users } from './route.ts';
import { SCHEDULE_ROUTES } from './schedule-routes.ts';
import { SECRET_ROUTES } from './secret-routes.ts';
import { SNAPSHOT_ROUTES } from './snapshot-routes.ts';
import { TASK_ROUTES } from './task-routes.ts';
import { TREE_ROUTES } from './tree-routes.ts';

const build = { 'application/json': buildView };
const id = { id: buildId };
const tar = { 'application/x-tar': { raw: 'binary', description: 'A tar.' } } as const;

const IDEMPOTENCY: Readonly<Record<string, HeaderDoc>> = {
  'Idempotency-Key': {
    description:
      '1 to 255 visible ASCII characters of your choice. If the same request is sent again with the same key, the response contains the build of the first request.',
  },
};
const TRACEPARENT: Readonly<Record<string, HeaderDoc>> = {
  traceparent: {
    description:
      'The caller’s span (W3C Trace Context). If the server exports traces, the build becomes part of that trace, unless the caller does not record it.',
  },
};
const ACCEPTED_HEADERS: Readonly<Record<string, HeaderDoc>> = {
  Location: { description: 'URL of the build.' },
  'Idempotency-Replayed': {
    description: '`true` if the build was accepted by an earlier request with the same key.',
  },
};

/** Name of an artifact that a worker stores: `<build id>-<attempt>`. */
export const artifactName = z.string().regex(/^[0-9a-hjkmnp-tv-z]{26}-[1-9]\d{0,3}$/, '<build id>-<attempt>');
export const storedArtifact = z
  .strictObject({ digest: contextDigest, sizeBytes: z.int() })
  .meta({ id: 'StoredArtifact' });

/** Documented query of `GET /v1/builds/:id/logs`. `after` is the same as `Last-Event-ID`, for clients that can't set headers. */
export const logStreamQuery = z.strictObject({
  ...logQuery.shape,
  after: z
    .string()
    .regex(/^[1-9]\d{0,8}\.\d{1,15}$/, 'the id of a record, such as 1.42')
    .optional()
    .meta({
      description: 'Id of the last record that you have; the log continues after it. Same as the header Last-Event-ID.',
    }),
});

/** Every route of the API, by operation id. */
export const ROUTES = {
  submitBuild: {
    method: 'post',
    path: '/v1/builds',
    tag: 'Builds',
    access: anyTrust('builds:write', 'request'),
    summary: 'Submit a build',
    description:
      'Send JSON for a git source or a tree that was uploaded before (`POST /v1/trees`), or multipart/form-data with the context as a tar in the same request. 202 means that the build is stored durably and will end exactly once. With `supersede` it also means that no older queued build with its `concurrencyKey` will be assigned to a host.',
    headers: { ...IDEMPOTENCY, ...TRACEPARENT },
    body: {
      'application/json': buildRequest,
      'multipart/form-data': {
        parts: {
          request: buildRequest,
          context: {
            raw: 'binary',
            description:
              'Tar or gzipped tar of the build context. Send it last, so that an invalid request is refused before the tar is read.',
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
      'storage_full',
      'storage_quota_exceeded',
    ],
  },
  listBuilds: {
    method: 'get',
    path: '/v1/builds',
    tag: 'Builds',
    access: users('builds:read', 'list'),
    summary: 'List builds, newest first',
    description:
      'A page may have fewer builds than `limit`, even none, if few match `branch`, `trigger`, `host` or `text`: the list goes on as long as there is a `next`.',
    query: buildQuery,
    answers: { 200: { description: 'A page of builds.', content: { 'application/json': buildPage } } },
    problems: ['invalid_request'],
  },
  // Before `getBuild`, whose path it would match.
  followBuilds: {
    method: 'get',
    path: '/v1/builds/events',
    tag: 'Builds',
    access: users('builds:read', 'list'),
    summary: 'Follow changes of builds',
    description:
      'For live lists. After `ready`, each change of a build that you may see follows as an event `build` with the build as JSON, the latest state of each at most some times a second. `reset`, and any new connection, mean that some may be missing: read the list again.',
    answers: {
      200: {
        description: 'Server-sent events `ready`, `build` and `reset`; comments as heartbeats.',
        content: { 'text/event-stream': { raw: 'text' } },
      },
    },
    problems: [],
  },
  getBuild: {
    method: 'get',
    path: '/v1/builds/:id',
    tag: 'Builds',
    access: users('builds:read', 'build'),
    summary: 'Get a build',
    params: id,
    query: waitQuery,
    answers: { 200: { description: 'The build.', content: build } },
    problems: ['invalid_request', 'build_not_found'],
  },
  cancelBuild: {
    method: 'post',
    path: '/v1/builds/:id/cancel',
    tag: 'Builds',
    access: anyTrust('builds:write', 'build'),
    summary: 'Cancel a build',
    description:
      'Waits some seconds for the host to confirm. 200: the build has ended; `cancelCameTooLate` tells whether it ended by itself. 202: the host has not confirmed yet. Canceling a canceled build again has no effect. If other builds share its run (`dedupe`), the run continues for them: 200, with `releasedAt`. A build that shares another’s run ends at once without affecting the run; the last one cancels the run.',
    params: id,
    answers: {
      200: { description: 'The build has ended, or its run continues only for other builds.', content: build },
      202: { description: 'The cancel is stored; the host has not confirmed it yet.', content: build },
    },
    problems: ['invalid_request', 'build_not_found', 'already_finished'],
  },
  retryBuild: {
    method: 'post',
    path: '/v1/builds/:id/retry',
    tag: 'Builds',
    access: anyTrust('builds:write', 'build'),
    summary: 'Retry a build that has ended',
    description: 'Creates a new build with the same request and secrets, whose `retryOf` contains the old id.',
    params: id,
    headers: IDEMPOTENCY,
    body: { 'application/json': retryRequest },
    bodyRequired: false,
    answers: { 202: { description: 'Accepted.', content: build, headers: ACCEPTED_HEADERS } },
    problems: [
      'malformed_json',
      'unsupported_media_type',
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
      'The format, given by `format` or else by Accept, is server-sent events, lines of JSON or plain text. Each record has an id, `<attempt>.<number>`, after which a later request continues without gap or repeat. The stream continues with the next attempt, if any, and ends after the final `end` record.',
    params: id,
    query: logStreamQuery,
    headers: { 'Last-Event-ID': { description: 'Id of the last record that you have; the log continues after it.' } },
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
            description: 'One record in each line, with its `id` first; empty lines as heartbeats.',
          }),
          'text/plain': { raw: 'text', description: 'As `docker buildx build --progress=plain` prints it.' },
        },
      },
      204: { description: 'You have the whole log. An EventSource then stops reconnecting.' },
    },
    problems: ['invalid_request', 'build_not_found', 'log_not_found'],
  },
  readPlacement: {
    method: 'get',
    path: '/v1/builds/:id/placement',
    tag: 'Builds',
    access: users('builds:read', 'build'),
    summary: 'Explain why a build ran on its host, or waits',
    params: id,
    answers: { 200: { description: 'The decisions, oldest first.', content: { 'application/json': placementView } } },
    problems: ['invalid_request', 'build_not_found'],
  },
  readWhySlow: {
    method: 'get',
    path: '/v1/builds/:id/why-slow',
    tag: 'Builds',
    access: users('builds:read', 'build'),
    summary: 'Explain which steps of a build were not cached, and why',
    description:
      'Compares the build with the last successful one of its repo with the same target and platforms. A cause that isn’t known is `unknown`, with what was compared. Also for failed and canceled builds.',
    params: id,
    query: whySlowQuery,
    answers: {
      200: {
        description: 'Steps, cache mounts, and where the time went.',
        content: { 'application/json': whySlowView },
      },
    },
    problems: ['invalid_request', 'build_not_found'],
  },
  readArtifact: {
    method: 'get',
    path: '/v1/builds/:id/artifact',
    tag: 'Contexts and artifacts',
    access: users('builds:read', 'build'),
    summary: 'Download the artifact',
    description: 'The files of the final stage of a build with output `artifact`.',
    params: id,
    answers: { 200: { description: 'A tar.', content: tar } },
    problems: ['invalid_request', 'build_not_found', 'artifact_not_found'],
  },
  ...HOST_ROUTES,
  readContext: {
    method: 'get',
    path: '/v1/contexts/:digest',
    tag: 'Contexts and artifacts',
    access: { who: 'users', scopes: ['builds:read'], workers: true, teams: 'context' },
    summary: 'Download a context that was uploaded to an older version',
    description: 'For builds that were queued before an upgrade. Contexts are trees now: `POST /v1/trees/read`.',
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
    problems: [
      'invalid_request',
      'build_not_found',
      'already_finished',
      'context_incomplete',
      'body_too_large',
      'disk_full',
      'storage_full',
      'storage_quota_exceeded',
    ],
  },
  storeTrace: {
    method: 'put',
    path: '/v1/traces/:name',
    tag: 'Contexts and artifacts',
    access: { who: 'users', scopes: ['admin'], workers: true, teams: 'pool' },
    summary: 'Store the record of an attempt that has ended',
    description: 'For workers on other machines.',
    params: { name: artifactName },
    body: { 'application/gzip': { raw: 'binary', description: 'Gzipped JSON.' } },
    answers: { 204: { description: 'Stored.' } },
    problems: ['invalid_request', 'build_not_found', 'body_too_large', 'disk_full', 'storage_full'],
  },
  ...TREE_ROUTES,
  ...TASK_ROUTES,
  ...CACHE_ROUTES,
  ...SNAPSHOT_ROUTES,
  ...BAKE_ROUTES,
  ...SECRET_ROUTES,
  ...HOOK_ROUTES,
  ...ACCESS_ROUTES,
  ...SCHEDULE_ROUTES,
  ...LIMIT_ROUTES,
  health: {
    method: 'get',
    path: '/healthz',
    tag: 'Service',
    access: { who: 'anyone' },
    summary: 'Check that the process is alive',
    answers: { 200: { description: 'The process is alive.', content: { 'text/plain': { raw: 'text' } } } },
    problems: [],
  },
  ready: {
    method: 'get',
    path: '/readyz',
    tag: 'Service',
    access: { who: 'anyone' },
    summary: 'Check that requests can be served',
    answers: { 200: { description: 'Requests can be served.', content: { 'text/plain': { raw: 'text' } } } },
    problems: ['unavailable'],
  },
  checkPool: {
    method: 'get',
    path: '/v1/checks',
    tag: 'Service',
    access: users('hosts:operate', 'pool'),
    summary: 'Check the pool for settings and states that lose builds or keep them from running',
    description:
      'Redis, clocks, hosts, engines, disks and certificates; for admins also whether the API reaches forges and registries. `kiln doctor` shows it.',
    answers: { 200: { description: 'What was checked.', content: { 'application/json': checkList } } },
    problems: [],
  },
  metrics: {
    method: 'get',
    path: '/metrics',
    tag: 'Service',
    access: users('hosts:operate', 'pool'),
    summary: 'Get the metrics of this API process',
    description: 'In Prometheus’ text format. Each process of a pool exports its own.',
    answers: { 200: { description: 'The metrics.', content: { 'text/plain': { raw: 'text' } } } },
    problems: ['not_found'],
  },
  version: {
    method: 'get',
    path: '/v1/version',
    tag: 'Service',
    access: { who: 'anyone' },
    summary: 'Get the server’s version',
    description: 'Every answer has it too, in the header `Kiln-Version`.',
    answers: { 200: { description: 'The version.', content: { 'application/json': versionView } } },
    problems: [],
  },
  openapi: {
    method: 'get',
    path: '/openapi.json',
    tag: 'Service',
    access: { who: 'anyone' },
    summary: 'Get the OpenAPI document',
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
    summary: 'Show the API documentation',
    answers: { 200: { description: 'A page.', content: { 'text/html': { raw: 'text' } } } },
    problems: [],
  },
} as const satisfies Readonly<Record<string, RouteDoc>>;

export type OperationId = keyof typeof ROUTES;
