import { Readable } from 'node:stream';
import { type BuildPage, buildPage, buildView, contextKey, hostList, placementView } from '@kiln/contracts';
import { pendingBuild } from '@kiln/state';
import { treeOf } from '@kiln/trees/testing';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { redisForFile } from '../testing/for-file.ts';
import { tarOf } from '../testing/pack.ts';
import { PATIENT } from '../testing/patient.ts';
import { sendParts } from '../testing/send-parts.ts';
import { TestApi } from '../testing/test-api.ts';

const redis = await redisForFile();
let api: TestApi;
afterEach(() => api[Symbol.asyncDispose]());
const start = async (config: Parameters<typeof TestApi.start>[0] = {}) => {
  api = await TestApi.start(config, { redis });
};
const cancel = (id: string) => api.fetch(`/v1/builds/${id}/cancel`, { method: 'POST' });
const retry = (id: string, headers: Record<string, string> = {}) => api.post(`/v1/builds/${id}/retry`, '', headers);
const GIT = { source: { type: 'git', url: 'https://git.example/app' } };

describe('a build', () => {
  test('is read by the schema of its view, with only the ids of its secrets', async () => {
    await start();
    const answer = await api.post('/v1/builds', { ...GIT, secrets: { token: 'hunter2' }, tags: ['a/b:c'] });
    expect(answer.status).toBe(202);
    const view = buildView.parse(await answer.json());
    expect(answer.headers.get('location')).toBe(`/v1/builds/${view.id}`);
    expect(view).toMatchObject({
      state: 'queued',
      repo: 'git.example/app',
      createdBy: { kind: 'credential', id: expect.any(String), name: expect.any(String) },
      request: { secrets: ['token'], tags: ['a/b:c'] },
    });
    expect(buildView.parse(await api.view(view.id))).toEqual(view);
    expect(await api.state.builds.secretsOf(view.id)).toEqual({ token: 'hunter2' });
  });

  test('is returned again for a repeated idempotency key, and only for the same request', async () => {
    await start();
    const key = { 'idempotency-key': 'once' };
    const body = { ...GIT, secrets: { a: '1', b: '2' } };
    const [first, again] = [
      await api.post('/v1/builds', body, key),
      await api.post('/v1/builds', { secrets: { b: '2', a: '1' }, ...GIT }, key),
    ];
    const [view, same] = [await first.json(), await again.json()];
    expect(same).toEqual(view);
    expect([first.headers.get('idempotency-replayed'), again.headers.get('idempotency-replayed')]).toEqual([
      null,
      'true',
    ]);
    const other = await api.post('/v1/builds', { ...body, secrets: { a: '1', b: '3' } }, key);
    expect(await other.json()).toMatchObject({ status: 422, code: 'idempotency_key_reused' });
    const bad = await api.post('/v1/builds', body, { 'idempotency-key': 'with space' });
    expect(await bad.json()).toMatchObject({ code: 'invalid_request', errors: [{ field: 'header Idempotency-Key' }] });
  });

  test('is listed by pages, newest first, and by filters', async () => {
    await start();
    const ids: string[] = [];
    for (let i = 0; i < 7; i += 1) ids.unshift((await api.submit({ team: i % 2 ? 'odd' : 'even' })).id);
    const pages: string[][] = [];
    let next: string | undefined;
    do {
      const query = new URLSearchParams({ limit: '3', ...(next && { cursor: next }) });
      const page: BuildPage = buildPage.parse(await (await api.fetch(`/v1/builds?${query}`)).json());
      pages.push(page.builds.map(({ id }) => id));
      next = page.next;
    } while (next);
    expect(pages.map((page) => page.length)).toEqual([3, 3, 1]);
    expect(pages.flat()).toEqual(ids);
    const odd = buildPage.parse(
      await (await api.fetch('/v1/builds?team=odd&state=queued&repo=git.example/app')).json(),
    );
    expect(odd.builds).toHaveLength(3);
  });

  test('is answered when it ends if the request waits, and no later than requested', async () => {
    await start();
    const { id } = await api.submit();
    expect(await (await api.fetch(`/v1/builds/${id}?wait=1`)).json()).toMatchObject({ state: 'queued' });
    const waiting = api.fetch(`/v1/builds/${id}?wait=60`).then((answer) => answer.json());
    const attempt = await api.run(id);
    await attempt.settle({ end: 'failed', failure: { code: 'step_failed', message: 'exit 1', exitCode: 1 } });
    const view = buildView.parse(await waiting);
    expect(view).toMatchObject({
      state: 'failed',
      host: 'h1',
      failure: { code: 'step_failed' },
      attempts: [{ end: 'failed' }],
    });
    expect(view.durationMs).toBeGreaterThanOrEqual(0);
    expect(JSON.stringify(view)).not.toContain('incarnation');
  });

  test('has a placement with the prediction and what happened', async () => {
    await start();
    const { id } = await api.submit();
    const placement = async () => placementView.parse(await (await api.fetch(`/v1/builds/${id}/placement`)).json());
    expect(await placement()).toEqual({ build: id, decisions: [] });
    const stored = await api.state.builds.get(id);
    if (!stored) throw new Error('gone');
    const waits = {
      build: id,
      host: null,
      reason: 'no_host',
      decidedAt: -1,
      considered: [],
      others: { full: 3 },
    } as const;
    expect(await api.view(id)).not.toHaveProperty('waiting');
    await api.state.pending.explain(pendingBuild(stored), 1, waits);
    const waiting = { reason: 'no_host', decidedAt: '1969-12-31T23:59:59.999Z', ahead: 0 };
    expect(await api.view(id)).toMatchObject({ waiting });
    expect(await (await api.fetch('/v1/builds')).json()).toMatchObject({ builds: [{ id, waiting }] });
    const later = await api.submit();
    const soon = { startAt: 60_000, finishAt: 90_000, runMs: 30_000, warmth: 1 };
    const full = { slots: 2, usedSlots: 2, warmth: 1, verdict: 'full' } as const;
    const hosts = [
      { ...full, host: 'a', predicted: { ...soon, startAt: 80_000 } },
      { ...full, host: 'b', predicted: soon },
    ];
    const storedLater = await api.state.builds.get(later.id);
    if (!storedLater) throw new Error('gone');
    const explained = { ...waits, build: later.id, reason: 'all_full', considered: hosts } as const;
    await api.state.pending.explain(pendingBuild(storedLater), 1, explained);
    expect(await api.view(later.id)).toMatchObject({ waiting: { startAt: '1970-01-01T00:01:00.000Z', ahead: 1 } });
    await api.fetch(`/v1/builds/${later.id}/cancel`, { method: 'POST' });
    const attempt = await api.run(id);
    expect(await api.view(id)).not.toHaveProperty('waiting');
    const [first, second] = (await placement()).decisions;
    expect(first).toEqual({
      attempt: 1,
      host: null,
      reason: 'no_host',
      decidedAt: '1969-12-31T23:59:59.999Z',
      considered: [],
      others: { full: 3 },
    });
    const predicted = {
      startAt: '1970-01-01T00:00:00.000Z',
      finishAt: '1970-01-01T00:08:00.000Z',
      runMs: 480_000,
      warmth: 0,
    };
    expect(second).toMatchObject({ attempt: 1, host: 'h1', predicted, considered: [{ verdict: 'chosen', predicted }] });
    const { startedAt } = (await api.view(id)).attempts[0] ?? {};
    expect(second?.actual).toEqual({ startedAt, waitedMs: Date.parse(startedAt ?? '') });
    await attempt.settle({ end: 'succeeded', steps: { total: 3, cached: 2 } });
    const { endedAt = '' } = (await api.view(id)).attempts[0] ?? {};
    expect((await placement()).decisions[1]?.actual).toMatchObject({
      endedAt,
      runMs: Date.parse(endedAt) - Date.parse(startedAt ?? ''),
      end: 'succeeded',
      steps: { total: 3, cached: 2 },
    });
  });

  test('is shown with its host in the list of hosts', async () => {
    await start();
    const { id } = await api.submit();
    await api.run(id);
    const { hosts } = hostList.parse(await (await api.fetch('/v1/hosts')).json());
    expect(hosts).toMatchObject([{ name: 'h1', state: 'ready', usedSlots: 1, builds: [{ id, attempt: 1 }] }]);
    await api.state.redis.del(api.state.keys.hostLease('h1'));
    expect(hostList.parse(await (await api.fetch('/v1/hosts')).json()).hosts[0]).toMatchObject({ state: 'lost' });
  });
});

describe('canceling', () => {
  test('ends a queued build at once; doing so again changes nothing', async () => {
    await start();
    const { id } = await api.submit();
    const [first, again] = [await cancel(id), await cancel(id)];
    expect([first.status, again.status]).toEqual([200, 200]);
    const view = buildView.parse(await first.json());
    expect(view).toMatchObject({ state: 'canceled' });
    expect(view.cancelCameTooLate).toBeUndefined();
    expect(await again.json()).toEqual(view);
  });

  test('of a running build waits for the host to confirm', async () => {
    await start();
    const { id } = await api.submit();
    const attempt = await api.run(id);
    const canceling = cancel(id);
    await vi.waitFor(async () => expect((await api.view(id)).cancelRequestedAt).toBeDefined(), PATIENT);
    await attempt.settle({ end: 'canceled', failure: { code: 'canceled', message: 'canceled' } });
    const answer = await canceling;
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ state: 'canceled', attempts: [{ end: 'canceled' }] });
  });

  test('is answered with 202 while the host has not confirmed', async () => {
    await start({ cancelWaitMs: 20 });
    const { id } = await api.submit();
    await api.run(id);
    const answer = await cancel(id);
    expect(answer.status).toBe(202);
    expect(await answer.json()).toMatchObject({ state: 'running', cancelRequestedAt: expect.any(String) });
  });

  test('too late is shown in a build that finished by itself', async () => {
    await start();
    const { id } = await api.submit();
    const attempt = await api.run(id);
    const canceling = cancel(id);
    await vi.waitFor(async () => expect((await api.view(id)).cancelRequestedAt).toBeDefined(), PATIENT);
    await attempt.settle({ end: 'succeeded', result: { pushed: ['r/app:1'] } });
    expect(await (await canceling).json()).toMatchObject({
      state: 'succeeded',
      cancelCameTooLate: true,
      result: { pushed: ['r/app:1'] },
    });
    const answer = await cancel(id);
    expect(await answer.json()).toMatchObject({
      status: 409,
      code: 'already_finished',
      errors: [{ got: 'succeeded' }],
    });
  });
});

describe('retrying', () => {
  test('makes a new build with the same request and secrets', async () => {
    await start();
    const old = await api.submit({ secrets: { token: 'hunter2' }, target: 'app' });
    const early = await retry(old.id);
    expect(await early.json()).toMatchObject({
      status: 409,
      code: 'not_retriable',
      errors: [{ field: 'state', got: 'queued' }],
    });
    await cancel(old.id);
    const answer = await retry(old.id, { 'idempotency-key': 'k' });
    expect(answer.status).toBe(202);
    const view = buildView.parse(await answer.json());
    expect(view).toMatchObject({ state: 'queued', retryOf: old.id, repo: old.repo, request: old.request });
    expect(view.id).not.toBe(old.id);
    expect(await api.state.builds.secretsOf(view.id)).toEqual({ token: 'hunter2' });
    expect(await (await retry(old.id, { 'idempotency-key': 'k' })).json()).toEqual(view);
  });

  test('is refused if secrets or context are no longer stored', async () => {
    await start();
    const old = await api.submit({ secrets: { token: 'hunter2' } });
    await cancel(old.id);
    await api.state.redis.del(api.state.keys.secrets(old.id));
    expect(await (await retry(old.id)).json()).toMatchObject({ code: 'not_retriable', errors: [{ field: 'secrets' }] });

    const tree = treeOf({ Dockerfile: 'FROM scratch' });
    await sendParts(api, tree.parts);
    const upload = await api.submit({ source: { type: 'upload', name: 'app', digest: tree.root } });
    await cancel(upload.id);
    expect((await retry(upload.id)).status).toBe(202);
    for await (const { key } of api.blobs.list('trees')) await api.blobs.delete(key);
    expect(await (await retry(upload.id)).json()).toMatchObject({
      code: 'not_retriable',
      errors: [{ field: 'source.digest' }],
    });
    // As a version before trees left it.
    await api.blobs.put(contextKey(tree.root), Readable.from([await tarOf('Dockerfile')]));
    expect((await retry(upload.id)).status).toBe(202);
  });
});

describe('the client’s registry logins', () => {
  const LOGINS = [
    { registry: 'r.example', username: 'ada', password: 'hunter22' },
    { registry: 'docker.io', identityToken: 'hunter33' },
  ];
  const REGISTRIES = ['docker.io', 'r.example'];
  const submit = async (headers: Record<string, string> = {}) => {
    const answer = await api.post('/v1/builds', { ...GIT, registryLogins: LOGINS }, headers);
    expect(answer.status).toBe(202);
    const view = buildView.parse(await answer.json());
    return { view, logins: await api.state.builds.loginsOf(view.id) };
  };

  test('are kept for the build, which shows only their registries, and a retry gets only those that are sent with it', async () => {
    await start();
    const { view, logins } = await submit();
    expect(logins).toEqual(LOGINS);
    expect(view.request.clientLogins).toEqual({ registries: REGISTRIES });
    expect(JSON.stringify(await api.view(view.id))).not.toMatch(/hunter|ada/);
    await cancel(view.id);
    const again = buildView.parse(await (await retry(view.id)).json());
    expect(again.request.clientLogins).toEqual({ registries: REGISTRIES, ignored: 'retry' });
    expect(await api.state.builds.loginsOf(again.id)).toEqual([]);
    const registryLogins = [{ registry: 'r.example', username: 'ada', password: 'hunter44' }];
    const sent = await api.post(`/v1/builds/${view.id}/retry`, { registryLogins });
    const third = buildView.parse(await sent.json());
    expect(third.request.clientLogins).toEqual({ registries: ['r.example'] });
    expect(await api.state.builds.loginsOf(third.id)).toEqual(registryLogins);
    const wrong = await (await api.post(`/v1/builds/${view.id}/retry`, { registryLogins: ['hunter22'] })).json();
    expect(wrong).toMatchObject({ code: 'invalid_request', errors: [{ field: 'registryLogins[0]' }] });
    expect(JSON.stringify(wrong)).not.toContain('hunter');
  });

  test('are ignored for untrusted builds, and if the operator has switched them off', async () => {
    await start();
    const { headers } = await api.token({ scopes: ['builds:read', 'builds:write'], trust: 'untrusted' });
    const untrusted = await submit(headers);
    expect(untrusted.view.request.clientLogins).toEqual({ registries: REGISTRIES, ignored: 'untrusted' });
    expect(await api.state.redis.exists(api.state.keys.logins(untrusted.view.id))).toBe(0);
    await api[Symbol.asyncDispose]();
    await start({ takesClientLogins: false });
    const off = await submit();
    expect(off.view.request.clientLogins).toEqual({ registries: REGISTRIES, ignored: 'off' });
    expect(await api.state.redis.exists(api.state.keys.logins(off.view.id))).toBe(0);
  });

  test('are refused for a schedule, which has no client', async () => {
    await start();
    const request = { ...GIT, registryLogins: LOGINS };
    const answer = await api.post('/v1/schedules', { name: 'nightly', cron: '0 3 * * *', request });
    const problem = await answer.json();
    expect(problem).toMatchObject({ code: 'invalid_request', errors: [{ field: 'request.registryLogins' }] });
    expect(JSON.stringify(problem)).not.toContain('hunter');
  });
});
