import { randomUUID } from 'node:crypto';
import { type AuditEntry, auditEntry, changesState, type OperationId, ROUTES, type RouteDoc } from '@kiln/contracts';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PATIENT } from '../testing/patient.ts';
import { readUntil, textReader } from '../testing/read-until.ts';
import { JOIN, RouteRequests } from '../testing/route-requests.ts';
import { TestApi, TOKEN } from '../testing/test-api.ts';

const routes = Object.entries(ROUTES) as [OperationId, RouteDoc][];
let redis: TestRedis;
let api: TestApi;
let requests: RouteRequests;

beforeAll(async () => {
  redis = await TestRedis.start();
  api = await TestApi.start({ join: JOIN }, { redis });
  requests = await RouteRequests.of(api);
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

/** Sends a valid request to the route; returns the status and the new entries. */
async function entriesOf(id: OperationId, headers: Record<string, string>) {
  const { path, init } = await requests.for(id);
  const requestId = randomUUID();
  const answer = await fetch(api.api.url + path, {
    ...init,
    method: ROUTES[id].method.toUpperCase(),
    headers: { ...init?.headers, ...headers, 'x-request-id': requestId },
  });
  // A stream of events doesn't end by itself.
  if (answer.headers.get('content-type')?.startsWith('text/event-stream')) await answer.body?.cancel();
  else await answer.arrayBuffer();
  return { status: answer.status, entries: await entriesWith(requestId), requestId };
}

async function entriesWith(requestId: string): Promise<AuditEntry[]> {
  return (await exported('')).filter((entry) => entry.requestId === requestId);
}

/** Exports entries from the API, checking each line by its schema. */
async function exported(query: string): Promise<AuditEntry[]> {
  const answer = await api.fetch(`/v1/audit${query}`);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/x-ndjson']);
  const lines = (await answer.text()).split('\n').filter((line) => line !== '');
  return lines.map((line) => auditEntry.parse(JSON.parse(line)));
}

const LOCAL_ADMIN = { kind: 'local-admin', id: 'local-admin', name: 'local admin', team: '*' };

describe('every route that changes something', () => {
  test.each(routes.filter(([, route]) => changesState(route)))('%s writes one entry', async (id, route) => {
    const { who } = route.access;
    const isWorkers = who === 'workers';
    const authorization = `Bearer ${isWorkers ? JOIN.tokens[0] : TOKEN}`;
    const { status, entries, requestId } = await entriesOf(id, { authorization });
    const known = isWorkers ? { kind: 'worker', id: 'join-token' } : LOCAL_ADMIN;
    // Webhooks are authenticated by their signature.
    const stranger = { kind: id === 'receiveWebhook' ? 'connection' : 'anonymous' };
    // The actor of a login is the one whose credential is in the body.
    const actor = who === 'anyone' && id !== 'createSession' ? stranger : known;
    const outcome = status < 400 ? 'done' : 'failed';
    expect(entries).toMatchObject([{ actor, action: id, outcome, status, ip: '127.0.0.1', requestId }]);
    // A login code has no name: it is a secret.
    const isNamed = route.path.includes(':') || status === 202 || (status === 201 && id !== 'createLoginCode');
    if (isNamed) expect(entries[0]?.target).toBeTruthy();
  });

  test('uses a method other than GET', () => {
    for (const [, route] of routes) expect(changesState(route)).toBe(route.changes ?? route.method !== 'get');
  });
});

describe('every route that needs a credential', () => {
  test.each(routes.filter(([, { access }]) => access.who !== 'anyone'))(
    '%s: a refusal leaves one entry',
    async (id, route) => {
      const unknown = await entriesOf(id, { authorization: 'Bearer nobody-knows-this' });
      expect(unknown.entries).toMatchObject([
        { actor: { kind: 'anonymous' }, action: id, outcome: 'refused', status: 401, code: 'unauthorized' },
      ]);
      if (route.access.who === 'known') return;
      const { id: tokenId, headers } = await api.token();
      const refused = await entriesOf(id, headers);
      expect(refused.entries).toMatchObject([
        {
          ...{ actor: { kind: 'token', id: tokenId, team: 'web' }, action: id, outcome: 'refused', status: 403 },
          ...{ code: 'forbidden', reason: expect.stringMatching(/scope|worker/) },
        },
      ]);
    },
  );

  test.each(routes.filter(([, route]) => !changesState(route)))('%s writes no entry, as it only reads', async (id) => {
    const { entries } = await entriesOf(id, { authorization: `Bearer ${TOKEN}` });
    expect(entries).toEqual([]);
  });
});

describe('an entry', () => {
  const call = async (path: string, method: string, body?: unknown) => {
    const requestId = randomUUID();
    const answer = await api.fetch(path, {
      method,
      headers: { 'x-request-id': requestId, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const answered = (await answer.json()) as { id: string; token: string };
    return { answered, entry: (await entriesWith(requestId))[0] };
  };

  test('names what was created or changed, and how', async () => {
    const { answered, entry } = await call('/v1/tokens', 'POST', {
      ...{ name: 'ci', team: 'web', scopes: ['builds:read', 'logs:read'] },
    });
    const details = { kind: 'api', name: 'ci', team: 'web', scopes: 'builds:read logs:read', trust: 'trusted' };
    expect(entry).toMatchObject({ target: answered.id, details });
    expect((await call(`/v1/tokens/${answered.id}`, 'DELETE')).entry).toMatchObject({ target: answered.id, details });
    expect((await call('/v1/hosts/h1/drain', 'POST', { deadlineSeconds: 60 })).entry).toMatchObject({
      ...{ target: 'h1', details: { deadlineSeconds: '60' } },
    });
    const build = await call('/v1/builds', 'POST', {
      ...{ source: { type: 'git', url: 'https://git.example/app' }, secrets: { npm: 'hunter2' } },
    });
    expect(build.entry).toMatchObject({
      ...{ target: build.answered.id, details: { team: 'default', repo: 'git.example/app', trust: 'trusted' } },
    });
    await call(`/v1/builds/${build.answered.id}/cancel`, 'POST');
    const failed = await call('/v1/builds', 'POST', { source: { type: 'git' }, secrets: { npm: 'hunter2' } });
    expect(failed.entry).toMatchObject({ outcome: 'failed', status: 400, code: 'invalid_request' });
  });

  test('contains no token and no secret, whatever was sent', async () => {
    const { token } = await api.token();
    for (const authorization of [`Bearer ${token}`, `Bearer ${token}x`, `Basic ${token}`, `Bearer ${TOKEN}`]) {
      await entriesOf('createToken', { authorization });
      await entriesOf('joinPool', { authorization });
    }
    const all = JSON.stringify(await exported(''));
    expect(all).not.toMatch(/hunter2|kiln_api_|nobody-knows-this/);
    for (const secret of [TOKEN, JOIN.tokens[0] ?? '', token]) expect(all).not.toContain(secret);
  });

  test('an aborted upload leaves its entry, too', async () => {
    const requestId = randomUUID();
    const leave = new AbortController();
    const body = new ReadableStream({
      async pull(controller) {
        controller.enqueue(new TextEncoder().encode('{"source":'));
        await expect.poll(async () => (await api.fetch('/healthz')).status, PATIENT).toBe(200);
        leave.abort();
      },
    });
    const init = { method: 'POST', body, duplex: 'half', signal: leave.signal } as RequestInit;
    const headers = { 'x-request-id': requestId, 'content-type': 'application/json' };
    await expect(api.fetch('/v1/builds', { ...init, headers })).rejects.toThrow();
    await expect
      .poll(async () => entriesWith(requestId), PATIENT)
      .toMatchObject([{ action: 'submitBuild', outcome: 'failed', code: 'context_incomplete' }]);
  });
});

describe('the export', () => {
  test('reads in pages, by time, and from an entry on', async () => {
    const all = (await exported('')).map(({ id }) => id);
    expect(all.length).toBeGreaterThan(50);
    const paged: string[] = [];
    for (;;) {
      const after = paged.length > 0 ? `&after=${paged.at(-1)}` : '';
      const page = await exported(`?limit=20${after}`);
      paged.push(...page.map(({ id }) => id));
      if (page.length < 20) break;
    }
    expect(paged).toEqual(all);
    const [middle] = await exported(`?after=${all[20]}&limit=1`);
    const from = await exported(`?since=${middle?.at}`);
    expect(from.length).toBeLessThan(all.length);
    expect(from.every(({ at }) => at >= (middle?.at ?? ''))).toBe(true);
    const before = await exported(`?until=${middle?.at}`);
    expect(before.length + from.length).toBe(all.length);
    for (const query of ['since=yesterday', 'after=1', 'limit=0', 'nope=1']) {
      const answer = await api.fetch(`/v1/audit?${query}`);
      expect(await answer.json()).toMatchObject({ status: 400, errors: [{ field: `query ${query.split('=')[0]}` }] });
    }
  });

  test('sends new entries to a follower', async () => {
    const last = (await exported('')).at(-1)?.id;
    const leave = new AbortController();
    const answer = await api.fetch(`/v1/audit?follow=true&after=${last}`, { signal: leave.signal });
    const reader = textReader(answer);
    const { requestId } = await entriesOf('cordonHost', { authorization: `Bearer ${TOKEN}` });
    expect(auditEntry.parse(JSON.parse(await readUntil(reader, '\n')))).toMatchObject({
      action: 'cordonHost',
      requestId,
    });
    leave.abort();
  });
});

test('while the audit log can’t be written, its entries go to Kiln’s own log', async () => {
  await api.state.redis.set(api.state.keys.auditLast(), 'nonsense');
  const { status, requestId } = await entriesOf('cordonHost', { authorization: `Bearer ${TOKEN}` });
  expect(status).toBe(200);
  const line = api.logged.map((text) => JSON.parse(text)).find(({ msg }) => msg === 'audit entry not written');
  expect(line).toMatchObject({ level: 50, entry: { action: 'cordonHost', outcome: 'done', requestId } });
  await api.state.redis.del(api.state.keys.auditLast());
});
