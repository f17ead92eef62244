import type { DeliveryView } from '@kiln/contracts';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { TestApi } from '../../testing/test-api.ts';
import { hook, TestForge } from '../../testing/test-forge.ts';
import { CONFIG, LOOPBACK, push, TestForges } from '../../testing/test-forges.ts';

const WAIT = { timeout: 60_000, interval: 10 };
let redis: TestRedis;
let forges: TestForges;
let api: TestApi;
let forge: TestForge;
let first: string;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());
beforeEach(async () => {
  forges = await TestForges.start(redis);
  ({ api, forge, first } = forges);
  return () => forges[Symbol.asyncDispose]();
});

describe('processing a delivery', () => {
  test('outlasts a git server that is down for a while, without delaying the answer', async () => {
    let asked = 0;
    forge.git.instead = (_request, response) => {
      asked += 1;
      if (asked === 3) forge.git.instead = undefined;
      response.writeHead(503).end();
    };
    const delivery = await forge.delivered(push('github', first, first));
    expect(delivery).toMatchObject({ state: 'done' });
    expect(delivery.failure).toBeUndefined();
    expect(delivery.tries).toBeGreaterThan(1);
    expect(delivery.builds).toHaveLength(2);

    const fresh = forge.git.commit({});
    let hung: (() => void) | undefined;
    forge.git.instead = (_request, response) => {
      hung = () => response.writeHead(404).end();
    };
    const answer = await forge.send(push('github', first, fresh));
    expect(await answer.json()).toMatchObject({ state: 'pending', builds: [], reasons: [] });
    await vi.waitFor(() => expect(hung).toBeDefined(), WAIT);
    hung?.();
  });

  test('fails for good if the payload can’t be read, naming the field', async () => {
    const delivery = await forge.delivered(push('github', first, first, { texts: { '"refs/heads/main"': '7' } }));
    expect(delivery).toMatchObject({ state: 'failed', tries: 1, failure: { code: 'payload_invalid' } });
    expect(delivery.failure?.message).toContain('ref: got 7, expected string');
    const broken = hook('github', 'push', { texts: { '{': '(' } });
    expect(await forge.delivered(broken)).toMatchObject({
      failure: { code: 'payload_invalid', message: 'the body is not valid JSON' },
    });
  });

  test('is taken over from a process that died', async () => {
    const { headers, body } = push('github', first, first);
    const received = await api.state.deliveries.receive(
      { connection: 'github', forge: 'github', team: 'web', forgeId: 'left', ip: '', headers },
      body,
    );
    await using _other = await TestApi.start(
      {},
      { redis, allowed: LOOPBACK, namespace: api.state.keys.prefix.slice(1, -2), now: () => Date.now() + 120_000 },
    );
    expect(await forge.settled(received.delivery.id)).toMatchObject({
      state: 'done',
      builds: [expect.anything(), expect.anything()],
    });
  });

  test('builds what failed when redelivered by hand, and nothing twice', async () => {
    const good = await forge.delivered(push('github', first, first));
    const again = await api.fetch(`/v1/hooks/deliveries/${good.id}/redeliver`, { method: 'POST' });
    expect(again.status).toBe(202);
    expect(await forge.settled(good.id)).toMatchObject({ state: 'done', builds: good.builds });
    expect(await forges.builds()).toHaveLength(2);
    const fresh = forge.git.commit({});
    forge.git.instead = (_request, response) => void response.writeHead(404).end();
    const failed = await forge.delivered(push('github', first, fresh));
    expect(failed).toMatchObject({ state: 'failed' });
    forge.git.instead = undefined;
    await api.fetch(`/v1/hooks/deliveries/${failed.id}/redeliver`, { method: 'POST' });
    const mended = await forge.until(failed.id, ({ state }) => state === 'done');
    expect(mended.builds).toHaveLength(2);
  });

  test('is retried at once when redelivered by hand or by the forge during its back-off', async () => {
    await using slow = await TestApi.start({ hookRetryMs: 100_000_000 }, { redis, allowed: LOOPBACK });
    await using at = await TestForge.start(slow);
    await at.connect('github');
    const away: typeof at.git.instead = (_request, response) => void response.writeHead(503).end();
    for (const by of ['hand', 'forge']) {
      const commit = at.git.commit({ '.kiln.yaml': CONFIG });
      at.git.instead = away;
      const one = push('github', commit, commit);
      const { id } = (await (await at.send(one)).json()) as DeliveryView;
      await at.until(id, ({ retryAt }) => retryAt !== undefined);
      at.git.instead = undefined;
      // A try is recorded a moment before its job begins to wait.
      await vi.waitFor(async () => {
        if (by === 'forge') await at.send(one);
        else await slow.fetch(`/v1/hooks/deliveries/${id}/redeliver`, { method: 'POST' });
        expect(await at.delivery(id)).toMatchObject({ state: 'done' });
      }, WAIT);
    }
  });
});
