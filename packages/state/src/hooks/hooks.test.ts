import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openState, type State } from '../open-state.ts';
import { TestRedis } from '../testing/test-redis.ts';
import type { NewDelivery } from './delivery-store.ts';

let redis: TestRedis;
let state: State;
let now = 1_800_000_000_000;
let count = 0;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());
beforeEach(async () => {
  count += 1;
  state = await openNamespace(`hooks-${count}`);
  return () => state[Symbol.asyncDispose]();
});

function openNamespace(namespace: string, secretKey: Buffer | readonly Buffer[] = Buffer.alloc(32, 1)): Promise<State> {
  return openState({ redisUrl: redis.url, namespace, secretKey, onError: () => {}, now: () => now });
}

const never = new AbortController().signal;
const delivery = (forgeId: string, team = 'web'): NewDelivery => ({
  ...{ connection: 'c', forge: 'github', team, forgeId, ip: '127.0.0.1', headers: {} },
});

describe('deliveries', () => {
  test('are recorded once per id of a connection, even concurrently', async () => {
    const body = Buffer.from([0, 255, 10, 13]);
    const all = await Promise.all(Array.from({ length: 20 }, () => state.deliveries.receive(delivery('x'), body)));
    expect(new Set(all.map((one) => one.delivery.id)).size).toBe(1);
    expect(all.filter(({ isRepeat }) => !isRepeat)).toHaveLength(1);
    const other = await state.deliveries.receive({ ...delivery('x'), connection: 'other' }, body);
    expect(other.isRepeat).toBe(false);
    expect(await state.deliveries.body(other.delivery.id)).toEqual(body);
  });

  test('name the first delivery with the same body, because forges don’t sign their ids', async () => {
    const receive = async (id: string, body: string, more: Partial<NewDelivery> = {}) =>
      (await state.deliveries.receive({ ...delivery(id), ...more }, Buffer.from(body))).delivery.id;
    const originalOf = async (id: string) => (await state.deliveries.get(id))?.original;
    const first = await receive('x', '{"a":1}');
    expect(await originalOf(first)).toBeUndefined();
    expect(await originalOf(await receive('y', '{"a":1}'))).toBe(first);
    expect(await originalOf(await receive('z', '{"a":2}'))).toBeUndefined();
    expect(await originalOf(await receive('y', '{"a":1}', { connection: 'other' }))).toBeUndefined();
    // Saving the delivery later keeps it.
    const third = await state.deliveries.get(await receive('w', '{"a":1}'));
    if (!third) throw new Error('the delivery is gone');
    await state.deliveries.save({ ...third, state: 'done' });
    expect(await originalOf(third.id)).toBe(first);
  });

  test('keep their body until it was parsed, and stay open until they are processed', async () => {
    const { delivery: one } = await state.deliveries.receive(delivery('x'), Buffer.from('{}'));
    expect((await state.deliveries.open(now, 10)).map(({ id }) => id)).toEqual([one.id]);
    expect(await state.deliveries.open(now - 1, 10)).toEqual([]);
    const events = [{ type: 'ping', forge: 'github' }] as const;
    await state.deliveries.save({ ...one, events });
    expect(await state.deliveries.body(one.id)).toBeUndefined();
    await state.deliveries.save({ ...one, events, state: 'failed' });
    expect(await state.deliveries.open(now, 10)).toEqual([]);
    const open = await state.deliveries.reopen({ ...one, events, state: 'failed', finishedAt: 1 });
    expect(open).toMatchObject({ state: 'pending', round: 2, events });
    expect(await state.deliveries.open(now, 10)).toEqual([open]);
  });

  test('are listed by team and page, newest first, and expire after a week', async () => {
    const ids: string[] = [];
    for (const [i, team] of ['web', 'ops', 'web', 'web'].entries()) {
      now += 1;
      ids.unshift((await state.deliveries.receive(delivery(`x${i}`, team), Buffer.alloc(0))).delivery.id);
    }
    const [d, c, , a] = ids;
    const page = await state.deliveries.list({ team: 'web' }, { limit: 2 });
    expect([page.deliveries.map(({ id }) => id), page.next]).toEqual([[d, c], c]);
    const rest = await state.deliveries.list({ team: 'web' }, { limit: 2, cursor: page.next });
    expect(rest.deliveries.map(({ id }) => id)).toEqual([a]);
    expect((await state.deliveries.list({}, { limit: 9 })).deliveries).toHaveLength(4);
    expect((await state.deliveries.list({ state: 'done' }, { limit: 9 })).deliveries).toEqual([]);
    now += 8 * 24 * 3_600_000;
    const { delivery: late } = await state.deliveries.receive(delivery('late'), Buffer.alloc(0));
    expect(await state.redis.zrange(state.keys.deliveries(), '0', '-1')).toEqual([late.id]);
    expect(await state.redis.pttl(state.keys.delivery(late.id))).toBeGreaterThan(6 * 24 * 3_600_000);
  });
});

describe('subjects', () => {
  test('are used by one caller at a time, also across processes', async () => {
    await using other = await openNamespace(`hooks-${count}`);
    let inside = 0;
    const add = (from: State, build: string) =>
      from.subjects.alone('s', never, async (subject) => {
        inside += 1;
        expect(inside).toBe(1);
        await from.redis.ping();
        inside -= 1;
        return { subject: { ...subject, builds: [...subject.builds, build] }, value: undefined };
      });
    await Promise.all(Array.from({ length: 20 }, (_, i) => add(i % 2 ? state : other, `b${i}`)));
    const builds = await state.subjects.alone('s', never, async (subject) => ({ subject, value: subject.builds }));
    expect(builds).toHaveLength(20);
  });

  test('are released after a failure, and after the time limit of a dead process', async () => {
    await expect(state.subjects.alone('s', never, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    const free = () => state.subjects.alone('s', never, async (subject) => ({ subject, value: 'mine' }));
    expect(await free()).toBe('mine');
    const [lock] = await locks('s');
    await state.redis.set(lock ?? '', 'one that died', 'PX', 50);
    expect(await free()).toBe('mine');
    await state.redis.set(lock ?? '', 'another');
    await expect(state.subjects.alone('s', AbortSignal.timeout(50), free as never)).rejects.toThrow();
    expect(await state.redis.get(lock ?? '')).toBe('another');
  });

  /** The lock's key and holder. */
  async function locks(name: string): Promise<string[]> {
    return state.subjects.alone(name, never, async (subject) => ({
      subject,
      value: (await state.redis.keys(`${state.keys.prefix}subject:*:lock`)) as string[],
    }));
  }
});

test('a report is about the newest build, in whatever order builds are tracked, and both stay open', async () => {
  const target = { connection: 'c', repository: 'a/b', commit: 'abc', context: 'kiln/x' };
  const id = await state.reports.track(target, '02');
  expect(await state.reports.track(target, '01')).toBe(id);
  expect(await state.reports.get(id)).toMatchObject({ ...target, build: '02', gaveUp: false });
  await state.reports.track(target, '03');
  expect(await state.reports.get(id)).toMatchObject({ build: '03' });
  expect(await state.reports.openTargets()).toEqual([id]);
  await state.reports.close('01', '02', '03');
  expect(await state.reports.openTargets()).toEqual([]);
  expect(await state.reports.targetOfAny('01')).toEqual(target);
  expect(await state.reports.targetOfAny('04')).toBeUndefined();
});

describe('the secrets of a webhook', () => {
  const open = (...keys: readonly number[]) =>
    openNamespace(
      `hooks-${count}`,
      keys.map((byte) => Buffer.alloc(32, byte)),
    );
  const create = () =>
    state.webhooks.create({ team: 'web', url: 'https://a', events: ['build.failed'], secret: 'old', createdBy: 'me' });
  const rotated = async () => state.webhooks.rotate(await create(), 'new', { secret: 'old', expiresAt: now + 1 });

  test('are both resealed with the first key', async () => {
    const webhook = await rotated();
    await using both = await open(2, 1);
    expect((await both.resealer.run()).builds).toEqual({ resealed: 2, current: 0, unreadable: 0 });
    expect((await both.resealer.run({ isThorough: true })).builds).toMatchObject({ current: 2 });
    await using next = await open(2);
    expect(await next.webhooks.get(webhook.id)).toEqual(webhook);
  });

  test('survive that the webhook is disabled by a sender that read it before they were rotated', async () => {
    const before = await create();
    const after = await state.webhooks.rotate(before, 'new', { secret: 'old', expiresAt: now + 1 });
    await state.webhooks.disable(before);
    expect(await state.webhooks.get(before.id)).toEqual({ ...after, disabledAt: now });
    await state.webhooks.remove(before.id);
    await state.webhooks.disable(before);
    expect(await state.webhooks.get(before.id)).toBeUndefined();
  });
});

describe('events of a group', () => {
  const publish = (id: string) => state.redis.xadd(state.keys.events(), '*', 'type', 'delivery', 'id', id);
  const consume = (consumer: string, handle: (id: string) => Promise<void>, from = state) =>
    from.consumeEvents({ group: 'g', consumer, onError: () => {}, orphanedMs: 50 }, async (event) => {
      if (event.type === 'delivery') await handle(event.id);
    });
  /** A group only gets events from after its creation, so this publishes until one arrives. */
  async function publishing(id: string, holds: () => boolean): Promise<void> {
    while (!holds()) await publish(id);
  }

  test('go to one of its processes each, also those from before any was running', async () => {
    const seen: string[] = [];
    const note = async (id: string) => void seen.push(id);
    const first = consume('one', note);
    await publishing('probe', () => seen.length > 0);
    await first[Symbol.asyncDispose]();
    seen.length = 0;
    const ids = Array.from({ length: 50 }, (_, i) => `e${i}`);
    for (const id of ids) await publish(id);
    {
      await using _two = consume('two', note);
      await using _three = consume('three', note);
      await expect.poll(() => seen, { timeout: 60_000 }).toEqual(expect.arrayContaining(ids));
    }
    expect(seen.filter((id) => id.startsWith('e')).toSorted()).toEqual(ids.toSorted());
  });

  test('are delivered again until they are handled', async () => {
    const tries: string[] = [];
    await using _one = consume('one', async (id) => {
      tries.push(id);
      if (tries.length < 3) throw new Error('not yet');
    });
    await publishing('x', () => tries.length > 0);
    await expect.poll(() => tries.length, { timeout: 60_000 }).toBeGreaterThanOrEqual(3);
    expect(tries.filter((id) => id === 'x').length).toBeGreaterThanOrEqual(3);
  });
});
