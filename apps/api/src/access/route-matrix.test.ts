import { type OperationId, type Problem, ROUTES, type RouteDoc } from '@kiln/contracts';
import { SCOPES } from '@kiln/domain';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tarOf } from '../testing/pack.ts';
import { TestApi, TOKEN } from '../testing/test-api.ts';

const ROLES = [
  ...(['anonymous', 'expired', 'revoked'] as const),
  /** Team web, with one scope each. */
  ...(['read', 'write', 'logs', 'operate'] as const),
  /** Team web, no scope; team ops, all but admin; all teams, all but admin. */
  ...(['bare', 'other', 'all', 'admin', 'local admin', 'worker', 'join token'] as const),
] as const;
type Role = (typeof ROLES)[number];

/** A status, or a status and the code of the problem. */
type Outcome = `${number}` | `${number} ${string}`;
const UNKNOWN = '401 unauthorized';
const REFUSED = '403 forbidden';
const HIDDEN = '404 build_not_found';

/** Everybody's outcome by one route, written out by hand: what the catalogue says is checked, not repeated. */
type Row = Readonly<Record<Role, Outcome>>;

/** A row out of what differs: nobody but admins comes in, with `ok`, unless it says so. */
function row(ok: Outcome, change: Partial<Row>): Row {
  return {
    ...{ anonymous: UNKNOWN, expired: UNKNOWN, revoked: UNKNOWN },
    ...{ read: REFUSED, write: REFUSED, logs: REFUSED, operate: REFUSED, bare: REFUSED, other: REFUSED, all: REFUSED },
    ...{ admin: ok, 'local admin': ok, worker: REFUSED, 'join token': REFUSED },
    ...change,
  };
}
const everyone = (ok: Outcome) => Object.fromEntries(ROLES.map((role) => [role, ok])) as Row;
const operators = (ok: Outcome) => row(ok, { operate: ok, other: ok, all: ok });

const MATRIX: Readonly<Record<OperationId, Row>> = {
  submitBuild: row('202', { write: '202', other: REFUSED, all: '202' }),
  listBuilds: row('200', { read: '200', other: '200', all: '200' }),
  getBuild: row('200', { read: '200', other: HIDDEN, all: '200' }),
  cancelBuild: row('200', { write: '200', other: HIDDEN, all: '200' }),
  retryBuild: row('202', { write: '202', other: HIDDEN, all: '202' }),
  readLog: row('200', { logs: '200', other: HIDDEN, all: '200' }),
  readPlacement: row('200', { read: '200', other: HIDDEN, all: '200' }),
  readArtifact: row('404 artifact_not_found', {
    ...{ read: '404 artifact_not_found', other: HIDDEN, all: '404 artifact_not_found' },
  }),
  listHosts: row('200', { read: '200', operate: '200', other: '200', all: '200' }),
  readHost: operators('200'),
  cordonHost: operators('200'),
  uncordonHost: operators('200'),
  drainHost: operators('200'),
  changeHost: operators('200'),
  removeHost: operators('409 host_busy'),
  joinPool: row(REFUSED, { worker: '200', 'join token': '200' }),
  readContext: row('200', {
    ...{ read: '200', other: '404 context_not_found', all: '200', worker: '200', 'join token': '200' },
  }),
  storeArtifact: row('201', { worker: '201', 'join token': '201' }),
  createToken: row('201', {}),
  listTokens: row('200', {}),
  revokeToken: row('200', {}),
  whoami: { ...everyone('200'), anonymous: UNKNOWN, expired: UNKNOWN, revoked: UNKNOWN },
  health: everyone('200'),
  ready: everyone('200'),
  openapi: everyone('200'),
  docs: everyone('200'),
};

const JOIN = { tokens: ['the-join-token'], redisUrl: 'redis://r', namespace: 'n', secretKey: 'k' };
const GIT = { type: 'git', url: 'https://git.example/app' };
const json = (value: unknown): RequestInit => ({
  body: JSON.stringify(value),
  headers: { 'content-type': 'application/json' },
});

let redis: TestRedis;
let api: TestApi;
let digest: string;
const headersOf = new Map<Role, Record<string, string>>();

beforeAll(async () => {
  redis = await TestRedis.start();
  api = await TestApi.start({ join: JOIN }, { redis });
  const all = SCOPES.filter((scope) => scope !== 'admin');
  const tokens = {
    read: await api.token({ scopes: ['builds:read'] }),
    write: await api.token({ scopes: ['builds:write'] }),
    logs: await api.token({ scopes: ['logs:read'] }),
    operate: await api.token({ scopes: ['hosts:operate'] }),
    bare: await api.token(),
    other: await api.token({ team: 'ops', scopes: all }),
    all: await api.token({ team: '*', scopes: all }),
    admin: await api.token({ team: '*', scopes: ['admin'] }),
    worker: await api.token({ kind: 'worker', team: '*' }),
    expired: await api.token({ team: '*', scopes: ['admin'], expiresAt: Date.now() - 1 }),
    revoked: await api.token({ team: '*', scopes: ['admin'] }),
  };
  await api.state.tokens.revoke(tokens.revoked.id);
  for (const [role, { headers }] of Object.entries(tokens)) headersOf.set(role as Role, headers);
  headersOf.set('anonymous', {});
  headersOf.set('local admin', { authorization: `Bearer ${TOKEN}` });
  headersOf.set('join token', { authorization: `Bearer ${JOIN.tokens[0]}` });
  digest = await upload('web');
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

/** The digest of a context that `team` has uploaded. */
async function upload(team: string): Promise<string> {
  const form = new FormData();
  form.set('request', JSON.stringify({ source: { type: 'upload', name: 'app' }, team }));
  form.set('context', new Blob([new Uint8Array(await tarOf('Dockerfile', `of-${team}`))]));
  const answer = await api.fetch('/v1/builds', { method: 'POST', body: form });
  return ((await answer.json()) as { request: { source: { digest: string } } }).request.source.digest;
}

const submit = () => api.submit({ team: 'web' });

/** The id of a build that runs on h1, whatever operators have ordered. */
async function run(): Promise<string> {
  await api.state.hostOperations.uncordon('h1');
  const { id } = await submit();
  await api.run(id);
  return id;
}

/** What to ask for by a route: something that is there, of team web where it is of a team. */
async function request(id: OperationId): Promise<{ path: string; init?: RequestInit }> {
  const { path }: RouteDoc = ROUTES[id];
  switch (id) {
    case 'submitBuild':
      return { path, init: json({ source: GIT, team: 'web' }) };
    case 'retryBuild': {
      const build = await submit();
      await api.fetch(`/v1/builds/${build.id}/cancel`, { method: 'POST' });
      return { path: path.replace(':id', build.id) };
    }
    case 'readLog':
      return { path: `${path.replace(':id', (await submit()).id)}?follow=false&format=text` };
    case 'removeHost': {
      await run();
      return { path: path.replace(':name', 'h1') };
    }
    case 'changeHost':
      return { path: path.replace(':name', 'h1'), init: json({ slots: 100 }) };
    case 'joinPool':
      return { path, init: json({ name: 'h2' }) };
    case 'readContext':
      return { path: path.replace(':digest', digest) };
    case 'storeArtifact':
      return { path: path.replace(':name', `${await run()}-1`), init: { body: 'a tar' } };
    case 'createToken':
      return { path, init: json({ name: 'new', team: 'web', scopes: ['builds:read'] }) };
    case 'revokeToken':
      return { path: path.replace(':id', (await api.token()).id) };
    default:
      if (path.includes('/builds/:id')) return { path: path.replace(':id', (await submit()).id) };
      return { path: path.replace(':name', 'h1') };
  }
}

async function outcome(id: OperationId, role: Role): Promise<Outcome> {
  const { path, init } = await request(id);
  const answer = await fetch(api.api.url + path, {
    ...init,
    method: ROUTES[id].method.toUpperCase(),
    headers: { ...init?.headers, ...headersOf.get(role) },
  });
  const text = await answer.text();
  return answer.status < 400 ? `${answer.status}` : `${answer.status} ${(JSON.parse(text) as Problem).code}`;
}

test('every route has its row', () => {
  expect(Object.keys(MATRIX).sort()).toEqual(Object.keys(ROUTES).sort());
});

describe.each(Object.keys(ROUTES) as OperationId[])('%s', (id) => {
  test.each(ROLES)('by %s', async (role) => {
    expect(await outcome(id, role)).toBe(MATRIX[id][role]);
  });
});
