import type { MessageView, WebhookView } from '@kiln/contracts';
import { says } from '@kiln/forges/testing';
import { allowedHosts } from '@kiln/runtime';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { HookTarget } from '../../testing/hook-target.ts';
import { TestApi } from '../../testing/test-api.ts';

const LOOPBACK = allowedHosts.parse('loopback');
const HOUR_MS = 3_600_000;
/** Far less than the wait after a message's first failure, which is 5 s here as in production. */
const WAIT = { timeout: 60_000, interval: 20 };
let redis: TestRedis;
let api: TestApi;
let target: HookTarget;
let webhook: string;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());
beforeEach(async () => {
  api = await TestApi.start({ hookRetryMs: 1_000 }, { redis, allowed: LOOPBACK });
  target = await HookTarget.start();
  const answer = await api.post('/v1/webhooks', { team: 'web', url: target.url, events: ['build.queued'] });
  webhook = ((await answer.json()) as WebhookView).id;
  return async () => {
    await target[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  };
});

async function message(): Promise<MessageView> {
  const answer = await api.fetch(`/v1/webhooks/${webhook}/messages`);
  const { messages } = (await answer.json()) as { messages: MessageView[] };
  if (!messages[0]) throw new Error('there is no message yet');
  return messages[0];
}

/** Submits a build, and waits until the outcome of its message's first try is known. */
async function sendOnce(): Promise<MessageView> {
  await api.submit({ team: 'web' });
  return vi.waitFor(async () => {
    const sent = await message();
    expect(sent.tries).toBe(1);
    return sent;
  }, WAIT);
}

/** Resends the message until it is delivered: its first try is recorded a moment before its job begins to wait. */
async function resendUntilDelivered(id: string): Promise<MessageView> {
  return vi.waitFor(async () => {
    if ((await message()).state === 'pending') await resend(id);
    const sent = await message();
    expect(sent.state).toBe('delivered');
    return sent;
  }, WAIT);
}

const resend = (id: string) => api.fetch(`/v1/webhooks/${webhook}/messages/${id}/resend`, { method: 'POST' });

describe('resending a message', () => {
  test('sends one that waits for its next try at once', async () => {
    target.next(says(500));
    const { id } = await sendOnce();
    const answer = await resend(id);
    expect(answer.status).toBe(202);
    expect(await answer.json()).toMatchObject({ id, state: 'pending', tries: 1 });
    await resendUntilDelivered(id);
    expect(target.received.length).toBeGreaterThan(1);
  });

  test('sends one at once that waits as long as its target asked', async () => {
    target.next(says(503, { 'retry-after': '3600' }));
    const { id } = await sendOnce();
    await resendUntilDelivered(id);
    expect(target.received.length).toBeGreaterThan(1);
  });

  test('sends a delivered one again, under the same id', async () => {
    const { id } = await sendOnce();
    await resend(id);
    await vi.waitFor(() => expect(target.received).toHaveLength(2), WAIT);
    expect(new Set(target.received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([id]));
  });
});

describe('a target’s Retry-After', () => {
  test.each([
    ['as seconds', 429, '3600', HOUR_MS],
    ['as a date', 503, () => new Date(Date.now() + HOUR_MS).toUTCString(), HOUR_MS],
    ['of more than 12 hours', 503, '999999999', 12 * HOUR_MS],
    ['shorter than the usual wait', 429, '1', 5_000],
  ])('%s postpones the next try, within bounds', async (_, status, value, expectedMs) => {
    target.next(says(status, { 'retry-after': typeof value === 'string' ? value : value() }));
    const before = Date.now();
    const { retryAt, state } = await sendOnce();
    expect(state).toBe('pending');
    const waitMs = Date.parse(retryAt ?? '') - before;
    expect(waitMs).toBeGreaterThan(expectedMs - 2_000);
    expect(waitMs).toBeLessThan(expectedMs + 60_000);
  });

  test('isn’t cut short by the retries’ own back-off', async () => {
    await using quick = await TestApi.start({ hookRetryMs: 1 }, { redis, allowed: LOOPBACK });
    target.next(says(429, { 'retry-after': '1' }));
    await quick.post('/v1/webhooks', { team: 'web', url: target.url, events: ['build.queued'] });
    await quick.submit({ team: 'web' });
    await vi.waitFor(() => expect(target.received).toHaveLength(1), WAIT);
    const first = Date.now();
    await vi.waitFor(() => expect(target.received).toHaveLength(2), WAIT);
    expect(Date.now() - first).toBeGreaterThan(900);
  });
});
