import type { ConnectionView, WebhookView } from '@kiln/contracts';
import { SECRET, sign } from '@kiln/forges/testing';
import { allowedHosts } from '@kiln/runtime';
import { TestRedis } from '@kiln/state/testing';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { HookTarget } from '../testing/hook-target.ts';
import { TestApi } from '../testing/test-api.ts';
import { hook, TestForge } from '../testing/test-forge.ts';

const DAY_MS = 24 * 3_600_000;
const LOOPBACK = allowedHosts.parse('loopback');
let redis: TestRedis;
let api: TestApi;
let nowMs: number;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());
beforeEach(async () => {
  nowMs = Date.now();
  api = await TestApi.start({ hookRetryMs: 10 }, { redis, allowed: LOOPBACK, now: () => nowMs });
  return () => api[Symbol.asyncDispose]();
});

describe('rotating a connection’s secret', () => {
  let forge: TestForge;
  beforeEach(async () => {
    forge = await TestForge.start(api);
    await forge.connect('github');
    return () => forge[Symbol.asyncDispose]();
  });

  const rotate = (body: object = {}) => api.post('/v1/connections/github/rotate-secret', body);
  const shown = async () => (await (await api.fetch('/v1/connections/github')).json()) as ConnectionView;

  /** The status of a ping that is signed with the secret. */
  async function statusOf(secret: string): Promise<number> {
    const { headers, body } = hook('github', 'ping');
    const signed = sign('github', body, headers, secret).headers as Record<string, string>;
    return (await forge.send({ forge: 'github', headers: signed, body })).status;
  }

  test('accepts webhooks by either secret until the old one expires after a day', async () => {
    const answer = await rotate();
    expect(answer.status).toBe(200);
    const { webhookSecret = '', previousSecretExpiresAt } = (await answer.json()) as ConnectionView;
    expect(webhookSecret).toHaveLength(43);
    expect(previousSecretExpiresAt).toBe(new Date(nowMs + DAY_MS).toISOString());
    expect(await shown()).toMatchObject({ previousSecretExpiresAt });
    expect(JSON.stringify(await shown())).not.toContain(webhookSecret);
    expect([await statusOf(SECRET), await statusOf(webhookSecret)]).toEqual([202, 202]);
    nowMs += DAY_MS;
    expect([await statusOf(SECRET), await statusOf(webhookSecret)]).toEqual([401, 202]);
    expect(await shown()).not.toHaveProperty('previousSecretExpiresAt');
  });

  test('ends the old secret at once if the overlap is 0', async () => {
    const answer = await rotate({ webhookSecret: 'the next secret', overlapSeconds: 0 });
    expect(await answer.text()).not.toContain('the next secret');
    expect([await statusOf(SECRET), await statusOf('the next secret')]).toEqual([401, 202]);
  });

  test('keeps at most two secrets, and setting one outright ends all others', async () => {
    await rotate({ webhookSecret: 'second' });
    await rotate({ webhookSecret: 'third' });
    expect([await statusOf(SECRET), await statusOf('second'), await statusOf('third')]).toEqual([401, 202, 202]);
    await forge.connect('github', { webhookSecret: 'fourth' });
    expect([await statusOf('second'), await statusOf('third'), await statusOf('fourth')]).toEqual([401, 401, 202]);
  });

  test('lasts when something else of the connection is changed', async () => {
    await rotate({ webhookSecret: 'second' });
    await forge.connect('github', { webhookSecret: undefined, checks: true });
    expect([await statusOf(SECRET), await statusOf('second')]).toEqual([202, 202]);
  });

  test('makes a signing token in place of a signing token', async () => {
    await forge.connect('gitlab', { webhookSecret: `whsec_${'a'.repeat(32)}` });
    const answer = await api.post('/v1/connections/gitlab/rotate-secret', {});
    expect(await answer.json()).toMatchObject({ webhookSecret: expect.stringMatching(/^whsec_[\w+/]{43}=$/) });
  });

  test.each([
    [{ webhookSecret: SECRET }, 'webhookSecret'],
    [{ overlapSeconds: -1 }, 'overlapSeconds'],
    [{ overlapSeconds: 8 * 86_400 }, 'overlapSeconds'],
    [{ secret: 'x' }, 'secret'],
  ])('refuses %j, naming %s', async (body, field) => {
    const answer = await rotate(body);
    expect([answer.status, await answer.json()]).toMatchObject([400, { errors: [{ field }] }]);
  });
});

describe('rotating the secret of a webhook that Kiln sends', () => {
  let target: HookTarget;
  let webhook: WebhookView;
  beforeEach(async () => {
    target = await HookTarget.start();
    const answer = await api.post('/v1/webhooks', { team: 'web', url: target.url, events: ['build.queued'] });
    webhook = (await answer.json()) as WebhookView;
    return () => target[Symbol.asyncDispose]();
  });

  const rotate = async (body: object = {}) => {
    const answer = await api.post(`/v1/webhooks/${webhook.id}/rotate-secret`, body);
    expect(answer.status).toBe(200);
    return (await answer.json()) as WebhookView;
  };

  /** Which of the secrets verify the next message, by the specification's own library. */
  async function verifying(...secrets: readonly (string | undefined)[]): Promise<boolean[]> {
    const before = target.received.length;
    await api.submit({ team: 'web' });
    await vi.waitFor(() => expect(target.received).toHaveLength(before + 1), { timeout: 60_000 });
    const { text = '', headers = {} } = target.received.at(-1) ?? {};
    const signatures = String(headers['webhook-signature']);
    // The library compares with the real time, which the test has left behind.
    const timestamp = String(headers['webhook-timestamp']);
    expect(signatures.split(' ').length).toBeLessThanOrEqual(2);
    return secrets.map((secret = '') => {
      const own = new Webhook(secret).sign(String(headers['webhook-id']), new Date(Number(timestamp) * 1_000), text);
      return signatures.split(' ').includes(own);
    });
  }

  test('signs messages with both until the old one expires after a day', async () => {
    const { secret, previousSecretExpiresAt } = await rotate();
    expect(previousSecretExpiresAt).toBe(new Date(nowMs + DAY_MS).toISOString());
    expect(await verifying(webhook.secret, secret)).toEqual([true, true]);
    nowMs += DAY_MS;
    expect(await verifying(webhook.secret, secret)).toEqual([false, true]);
    const listed = await (await api.fetch('/v1/webhooks')).text();
    for (const text of ['previous', webhook.secret, secret]) expect(listed).not.toContain(text);
  });

  test('ends the old secret at once if the overlap is 0', async () => {
    const { secret } = await rotate({ overlapSeconds: 0 });
    expect(await verifying(webhook.secret, secret)).toEqual([false, true]);
  });
});
