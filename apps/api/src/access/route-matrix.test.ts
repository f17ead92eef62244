import { type OperationId, type Problem, ROUTES } from '@kiln/contracts';
import { SCOPES } from '@kiln/domain';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { JOIN, RouteRequests } from '../testing/route-requests.ts';
import { TestApi, TOKEN } from '../testing/test-api.ts';

const ROLES = [
  ...(['anonymous', 'expired', 'revoked'] as const),
  /** Team web, with one scope each. */
  ...(['read', 'write', 'logs', 'secrets', 'operate'] as const),
  /** Team web, no scope; team ops, all but admin; all teams, all but admin. */
  ...(['bare', 'other', 'all', 'admin', 'local admin', 'worker', 'join token'] as const),
  /** All teams, every scope, but untrusted. */
  'untrusted',
] as const;
type Role = (typeof ROLES)[number];

/** A status, or a status and the code of the problem. */
type Outcome = `${number}` | `${number} ${string}`;
const UNKNOWN = '401 unauthorized';
const REFUSED = '403 forbidden';
const HIDDEN = '404 build_not_found';
const NO_SCHEDULE = '404 schedule_not_found';

/** Every role's outcome on one route, written by hand so that it checks the catalogue instead of repeating it. */
type Row = Readonly<Record<Role, Outcome>>;

/** Makes a row from its differences to the default: only admins are admitted, with `ok`. */
function row(ok: Outcome, change: Partial<Row>): Row {
  return {
    ...{ anonymous: UNKNOWN, expired: UNKNOWN, revoked: UNKNOWN },
    ...{ read: REFUSED, write: REFUSED, logs: REFUSED, secrets: REFUSED, operate: REFUSED },
    ...{ bare: REFUSED, other: REFUSED, all: REFUSED },
    ...{ admin: ok, 'local admin': ok, worker: REFUSED, 'join token': REFUSED, untrusted: ok },
    ...change,
  };
}
/** … on a route that an untrusted credential may not use, whatever its scopes. */
const trustedOnly = (ok: Outcome, change: Partial<Row> = {}) => row(ok, { untrusted: REFUSED, ...change });
const everyone = (ok: Outcome) => Object.fromEntries(ROLES.map((role) => [role, ok])) as Row;
const operators = (ok: Outcome) => row(ok, { operate: ok, other: ok, all: ok });
const changedByOperators = (ok: Outcome) => ({ ...operators(ok), untrusted: REFUSED }) as const;

const MATRIX: Readonly<Record<OperationId, Row>> = {
  submitBuild: row('202', { write: '202', other: REFUSED, all: '202' }),
  listBuilds: row('200', { read: '200', other: '200', all: '200' }),
  followBuilds: row('200', { read: '200', other: '200', all: '200' }),
  getBuild: row('200', { read: '200', other: HIDDEN, all: '200' }),
  cancelBuild: row('200', { untrusted: REFUSED, write: '200', other: HIDDEN, all: '200' }),
  retryBuild: row('202', { write: '202', other: HIDDEN, all: '202' }),
  readLog: row('200', { logs: '200', other: HIDDEN, all: '200' }),
  readPlacement: row('200', { read: '200', other: HIDDEN, all: '200' }),
  readWhySlow: row('200', { read: '200', other: HIDDEN, all: '200' }),
  readArtifact: row('404 artifact_not_found', {
    ...{ read: '404 artifact_not_found', other: HIDDEN, all: '404 artifact_not_found' },
  }),
  listHosts: row('200', { read: '200', operate: '200', other: '200', all: '200' }),
  readHost: operators('200'),
  listHostLosses: operators('200'),
  cordonHost: changedByOperators('200'),
  uncordonHost: changedByOperators('200'),
  drainHost: changedByOperators('200'),
  changeHost: changedByOperators('200'),
  removeHost: changedByOperators('409 host_busy'),
  listTasks: row('200', { read: '200', operate: '200', other: '200', all: '200' }),
  getTask: row('200', { read: '200', operate: '200', other: '200', all: '200' }),
  listCaches: row('200', { read: '200', operate: '200', other: '200', all: '200' }),
  dropCaches: trustedOnly('202', { write: '202', operate: '202', other: '202', all: '202' }),
  cleanRegistries: trustedOnly('200', { write: '200', operate: '200', other: '200', all: '200' }),
  listCacheModes: row('200', { read: '200', other: REFUSED, all: '200' }),
  setCacheMode: trustedOnly('200', { write: '200', other: REFUSED, all: '200' }),
  listSnapshots: row('200', { read: '200', other: '200', all: '200' }),
  getSnapshot: row('200', {
    ...{ read: '200', other: '404 snapshot_not_found', all: '200', worker: '200', 'join token': '200' },
  }),
  addSnapshot: row('422 snapshot_invalid', {
    ...{ write: '422 snapshot_invalid', other: REFUSED, all: '422 snapshot_invalid' },
    ...{ worker: '422 snapshot_invalid', 'join token': '422 snapshot_invalid' },
  }),
  removeSnapshot: trustedOnly('204', { write: '204', other: '404 snapshot_not_found', all: '204' }),
  saveCaches: row('404 cache_not_found', { write: '404 cache_not_found', other: REFUSED, all: '404 cache_not_found' }),
  evaluateBake: row('404 host_not_found', { write: '404 host_not_found', other: REFUSED, all: '404 host_not_found' }),
  seedCaches: row('404 host_not_found', { write: '404 host_not_found', other: REFUSED, all: '404 host_not_found' }),
  joinPool: row(REFUSED, { untrusted: REFUSED, worker: '200', 'join token': '200' }),
  readContext: row('200', {
    ...{ read: '200', other: '404 context_not_found', all: '200', worker: '200', 'join token': '200' },
  }),
  findMissingTreeParts: row('200', { write: '200', other: REFUSED, all: '200', worker: '200', 'join token': '200' }),
  storeTreeParts: row('200', { write: '200', other: REFUSED, all: '200', worker: '200', 'join token': '200' }),
  readTreeParts: row('200', { read: '200', other: REFUSED, all: '200', worker: '200', 'join token': '200' }),
  storeArtifact: trustedOnly('201', { worker: '201', 'join token': '201' }),
  storeTrace: trustedOnly('204', { worker: '204', 'join token': '204' }),
  setSecret: trustedOnly('201', { secrets: '201', other: REFUSED, all: '201' }),
  listSecrets: row('200', { read: '200', secrets: '200', other: REFUSED, all: '200' }),
  removeSecret: trustedOnly('200', { secrets: '200', other: REFUSED, all: '200' }),
  resealSecrets: trustedOnly('200', {}),
  receiveWebhook: everyone('202'),
  listDeliveries: row('200', { read: '200', other: '200', all: '200' }),
  getDelivery: row('200', { read: '200', other: '404 delivery_not_found', all: '200' }),
  redeliver: trustedOnly('202', { write: '202', other: '404 delivery_not_found', all: '202' }),
  listConnections: row('200', {}),
  getConnection: row('200', {}),
  putConnection: trustedOnly('200', {}),
  rotateConnectionSecret: trustedOnly('200', {}),
  deleteConnection: trustedOnly('200', {}),
  createWebhook: trustedOnly('201', { write: '201', other: REFUSED, all: '201' }),
  listWebhooks: row('200', { read: '200', other: '200', all: '200' }),
  rotateWebhookSecret: trustedOnly('200', { write: '200', other: '404 webhook_not_found', all: '200' }),
  deleteWebhook: trustedOnly('200', { write: '200', other: '404 webhook_not_found', all: '200' }),
  listMessages: row('200', { read: '200', other: '404 webhook_not_found', all: '200' }),
  resendMessage: trustedOnly('404 message_not_found', {
    ...{ write: '404 message_not_found', other: '404 webhook_not_found', all: '404 message_not_found' },
  }),
  createToken: trustedOnly('201', {}),
  listTokens: row('200', {}),
  revokeToken: trustedOnly('200', {}),
  readAudit: row('200', {}),
  createSchedule: row('201', { write: '201', other: REFUSED, all: '201' }),
  listSchedules: row('200', { read: '200', other: '200', all: '200' }),
  readSchedule: row('200', { read: '200', other: NO_SCHEDULE, all: '200' }),
  changeSchedule: row('200', { untrusted: REFUSED, write: '200', other: NO_SCHEDULE, all: '200' }),
  runSchedule: row('202', { untrusted: REFUSED, write: '202', other: NO_SCHEDULE, all: '202' }),
  removeSchedule: row('200', { untrusted: REFUSED, write: '200', other: NO_SCHEDULE, all: '200' }),
  readLimits: { ...everyone('200'), anonymous: UNKNOWN, expired: UNKNOWN, revoked: UNKNOWN },
  listLimits: row('200', {}),
  changeTeamLimits: trustedOnly('200', {}),
  changeTokenLimits: trustedOnly('200', {}),
  whoami: { ...everyone('200'), anonymous: UNKNOWN, expired: UNKNOWN, revoked: UNKNOWN },
  startLogin: everyone('404 not_found'),
  finishLogin: everyone('404 not_found'),
  listLoginMethods: everyone('200'),
  // By the token in its body.
  createSession: everyone('200'),
  createLoginCode: {
    ...{ ...everyone('201'), anonymous: UNKNOWN, expired: UNKNOWN, revoked: UNKNOWN },
    ...{ worker: REFUSED, 'join token': REFUSED },
  },
  logout: { ...everyone('204'), anonymous: UNKNOWN, expired: UNKNOWN, revoked: UNKNOWN },
  readCliLogin: everyone('400 invalid_request'),
  showCliLogin: everyone('400 invalid_request'),
  approveCliLogin: { ...everyone('400 invalid_request'), anonymous: UNKNOWN, expired: UNKNOWN, revoked: UNKNOWN },
  health: everyone('200'),
  ready: everyone('200'),
  checkPool: operators('200'),
  // The API of these tests records none.
  metrics: operators('404 not_found'),
  version: everyone('200'),
  openapi: everyone('200'),
  docs: everyone('200'),
};

let redis: TestRedis;
let api: TestApi;
let requests: RouteRequests;
const headersOf = new Map<Role, Record<string, string>>();

beforeAll(async () => {
  redis = await TestRedis.start();
  api = await TestApi.start({ join: JOIN }, { redis });
  const all = SCOPES.filter((scope) => scope !== 'admin');
  const tokens = {
    read: await api.token({ scopes: ['builds:read'] }),
    write: await api.token({ scopes: ['builds:write'] }),
    logs: await api.token({ scopes: ['logs:read'] }),
    secrets: await api.token({ scopes: ['secrets:write'] }),
    operate: await api.token({ scopes: ['hosts:operate'] }),
    bare: await api.token(),
    other: await api.token({ team: 'ops', scopes: all }),
    all: await api.token({ team: '*', scopes: all }),
    admin: await api.token({ team: '*', scopes: ['admin'] }),
    worker: await api.token({ kind: 'worker', team: '*' }),
    untrusted: await api.token({ team: '*', scopes: SCOPES, trust: 'untrusted' }),
    expired: await api.token({ team: '*', scopes: ['admin'], expiresAt: Date.now() - 1 }),
    revoked: await api.token({ team: '*', scopes: ['admin'] }),
  };
  await api.state.tokens.revoke(tokens.revoked.id);
  for (const [role, { headers }] of Object.entries(tokens)) headersOf.set(role as Role, headers);
  headersOf.set('anonymous', {});
  headersOf.set('local admin', { authorization: `Bearer ${TOKEN}` });
  headersOf.set('join token', { authorization: `Bearer ${JOIN.tokens[0]}` });
  requests = await RouteRequests.of(api);
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

async function outcome(id: OperationId, role: Role): Promise<Outcome> {
  const { path, init } = await requests.for(id);
  const answer = await fetch(api.api.url + path, {
    ...init,
    method: ROUTES[id].method.toUpperCase(),
    headers: { ...init?.headers, ...headersOf.get(role) },
  });
  if (answer.status < 400) {
    // Some answers never end.
    await answer.body?.cancel();
    return `${answer.status}`;
  }
  return `${answer.status} ${((await answer.json()) as Problem).code}`;
}

test('every route has its row', () => {
  expect(Object.keys(MATRIX).sort()).toEqual(Object.keys(ROUTES).sort());
});

describe.each(Object.keys(ROUTES) as OperationId[])('%s', (id) => {
  test.each(ROLES)('by %s', async (role) => {
    expect(await outcome(id, role)).toBe(MATRIX[id][role]);
  });
});
