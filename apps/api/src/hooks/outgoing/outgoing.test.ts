import type { BuildView, MessageView, WebhookRequest, WebhookView } from '@kiln/contracts';
import { hangs, says } from '@kiln/forges/testing';
import { allowedHosts } from '@kiln/runtime';
import { TestRedis } from '@kiln/state/testing';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HookTarget } from '../../testing/hook-target.ts';
import { TestApi } from '../../testing/test-api.ts';
import { eventually } from '../../testing/test-forge.ts';

const LOOPBACK = allowedHosts.parse('loopback');
let redis: TestRedis;
let api: TestApi;
let target: HookTarget;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());
beforeEach(async () => {
  api = await TestApi.start({ hookRetryMs: 0.005, hookSendTimeoutMs: 400 }, { redis, allowed: LOOPBACK });
  target = await HookTarget.start();
  return async () => {
    await target[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  };
});

async function create(more: Partial<WebhookRequest> = {}): Promise<WebhookView & { secret: string }> {
  const answer = await api.post('/v1/webhooks', { team: 'web', url: target.url, ...more });
  if (answer.status !== 201) throw new Error(await answer.text());
  return (await answer.json()) as WebhookView & { secret: string };
}

const messages = async (id: string): Promise<MessageView[]> =>
  ((await (await api.fetch(`/v1/webhooks/${id}/messages`)).json()) as { messages: MessageView[] }).messages;
const settled = (id: string, state: MessageView['state']) =>
  eventually(async () => (await messages(id)).some((one) => one.state === state));

/** Runs a build of the team to its end. */
async function finish(outcome: 'succeeded' | 'failed' = 'succeeded'): Promise<BuildView> {
  const build = await api.submit({ team: 'web' });
  const attempt = await api.run(build.id);
  await attempt.settle(
    outcome === 'succeeded'
      ? { end: outcome, steps: { total: 1, cached: 1 }, result: {} }
      : { end: outcome, failure: { code: 'build_failed', message: 'no' } },
  );
  return build;
}

const types = () => target.received.map(({ text }) => (JSON.parse(text) as { type: string }).type);

describe('messages', () => {
  test('report subscribed events, signed so that the specification’s own library verifies them', async () => {
    const { secret } = await create();
    const build = await finish();
    await eventually(() => target.received.length === 1);
    const [message] = target.received;
    const headers = message?.headers as Record<string, string>;
    const body = new Webhook(secret).verify(message?.text ?? '', headers) as { type: string; data: BuildView };
    expect(body).toMatchObject({ type: 'build.succeeded', data: { id: build.id, state: 'succeeded', team: 'web' } });
    const other = new Webhook(`whsec_${Buffer.alloc(32).toString('base64')}`);
    expect(() => other.verify(message?.text ?? '', headers)).toThrow('No matching signature');
  });

  test('are sent once for each event, to webhooks of the build’s team only', async () => {
    await create({ events: ['build.queued', 'build.started', 'build.succeeded', 'build.failed', 'build.canceled'] });
    await create({ team: 'ops', url: `${target.url}/ops` });
    const lost = await api.submit({ team: 'web' });
    await (await api.run(lost.id)).lose();
    await (await api.run(lost.id)).settle({ end: 'failed', failure: { code: 'build_failed', message: 'no' } });
    await eventually(() => types().includes('build.failed'));
    const canceled = await api.submit({ team: 'web' });
    await api.fetch(`/v1/builds/${canceled.id}/cancel`, { method: 'POST' });
    await eventually(() => types().includes('build.canceled'));
    expect(types().toSorted()).toEqual(
      ['build.queued', 'build.started', 'build.started', 'build.failed', 'build.queued', 'build.canceled'].toSorted(),
    );
    expect(new Set(target.received.map(({ headers }) => headers['webhook-id'])).size).toBe(6);
    expect(target.received.every(({ path }) => path === '/')).toBe(true);
  });
});

describe('a target that', () => {
  test('fails, hangs or redirects gets the same message again', async () => {
    const { id, secret } = await create();
    const elsewhere = `${target.url}/elsewhere`;
    target.next(says(500), hangs, says(302, { location: elsewhere }), says(204));
    await finish();
    await settled(id, 'delivered');
    expect(target.received).toHaveLength(4);
    expect(new Set(target.received.map(({ headers, text }) => `${headers['webhook-id']} ${text}`)).size).toBe(1);
    expect(target.received.every(({ path }) => path === '/')).toBe(true);
    const last = target.received.at(-1);
    new Webhook(secret).verify(last?.text ?? '', last?.headers as Record<string, string>);
    expect(await messages(id)).toMatchObject([{ state: 'delivered', tries: 4, status: 204 }]);
  });

  test('always fails leaves the message dead, to be listed and sent again by hand', async () => {
    const { id } = await create();
    target.next(...Array.from({ length: 10 }, () => says(500)));
    const build = await finish();
    await settled(id, 'dead');
    const [dead] = await messages(id);
    expect(dead).toMatchObject({ state: 'dead', tries: 10, status: 500, why: 'answered 500', build: build.id });
    const query = await api.fetch(`/v1/webhooks/${id}/messages?state=delivered`);
    expect(await query.json()).toEqual({ messages: [] });
    const again = await api.fetch(`/v1/webhooks/${id}/messages/${dead?.id}/resend`, { method: 'POST' });
    expect(again.status).toBe(202);
    await settled(id, 'delivered');
    expect(await messages(id)).toMatchObject([{ id: dead?.id, state: 'delivered', tries: 1 }]);
  });

  test('answers 410 is never called again', async () => {
    const { id } = await create();
    target.next(says(410));
    await finish();
    await settled(id, 'dead');
    await finish('failed');
    const { webhooks } = (await (await api.fetch('/v1/webhooks')).json()) as { webhooks: WebhookView[] };
    expect(webhooks).toMatchObject([{ id, disabledAt: expect.any(String) }]);
    expect(target.received).toHaveLength(1);
  });
});

test('a secret is shown once, and a removed webhook gets no messages', async () => {
  const { id, secret } = await create();
  expect(await (await api.fetch('/v1/webhooks')).text()).not.toContain(secret);
  const { redis: client, keys } = api.state;
  expect(JSON.stringify(await client.hgetall(keys.webhooks()))).not.toContain(secret.slice(6));
  await api.fetch(`/v1/webhooks/${id}`, { method: 'DELETE' });
  await create({ url: `${target.url}/second` });
  await finish();
  await eventually(() => target.received.length > 0);
  expect(target.received.map(({ path }) => path)).toEqual(['/second']);
  expect(await (await api.fetch('/v1/audit')).text()).not.toContain(secret);
});

test.each([
  [{ url: 'ftp://a' }, 'url'],
  [{ url: 'https://user:pass@a' }, 'url'],
  [{ events: ['build.exploded'] }, 'events[0]'],
  [{ events: [] }, 'events'],
  [{ secret: 'short' }, 'secret'],
])('refuses %j, naming %s', async (more, field) => {
  const answer = await api.post('/v1/webhooks', { team: 'web', url: target.url, ...more });
  const text = await answer.text();
  expect([answer.status, JSON.parse(text).errors[0].field]).toEqual([400, field]);
  if ('secret' in more) expect(text).not.toContain('"short"');
});
