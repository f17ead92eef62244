import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../support/conditions.ts';
import { warmable } from '../support/dockerfiles.ts';
import { startHosts, type TestHosts } from '../support/hosts.ts';
import { expectWhole, outputOf } from '../support/logs.ts';
import { type Pool, startPool } from '../support/pool.ts';

/** Three engines, five more processes and two cores. */
const PATIENCE_MS = 300_000;
/** A cold build's, on top of what every build takes: enough for a warm one to be worth a wait. */
const COLD_SECONDS = 25;

let hosts: TestHosts;
beforeAll(async () => {
  hosts = await startHosts('a', 'b', 'c');
});
afterAll(() => hosts[Symbol.asyncDispose]());

test(
  'repos stay with the hosts that are warm for them, also in a burst; a new one takes the free host; what was evicted is cold again',
  async () => {
    await using pool = await startPool({ hosts, slots: 1 });
    const all: string[] = [];
    const submit = async (name: string) => {
      const { id } = await pool.submit(warmable(`${name} ${all.length}`, COLD_SECONDS), { name });
      all.push(id);
      return id;
    };

    // Nobody knows the repos yet: each takes a free host, and leaves its caches there.
    const colds = [await submit('one'), await submit('two')];
    const [homeOfOne, homeOfTwo] = await Promise.all(colds.map((id) => ended(pool, id, 'cold', 'cold')));
    expect(homeOfOne).not.toBe(homeOfTwo);
    await until('both hosts are known to be warm', async () => {
      const warm = (await pool.client.hosts()).filter(({ caches }) => caches?.warmRepos === 1);
      return warm.length === 2;
    });

    // More than their hosts can take at once, while the third host is free.
    const burst = [await submit('one'), await submit('two'), await submit('one'), await submit('two')];
    await Promise.all([waitsFor(pool, burst[2], homeOfOne), waitsFor(pool, burst[3], homeOfTwo)]);
    const stranger = await submit('three');
    const homes = await Promise.all(burst.map((id) => ended(pool, id, 'warm', 'warm')));
    expect(homes).toEqual([homeOfOne, homeOfTwo, homeOfOne, homeOfTwo]);
    expect([homeOfOne, homeOfTwo]).not.toContain(await ended(pool, stranger, 'cold', 'cold'));

    const [home = ''] = homes;
    await hosts.host(home).evictCacheMounts();
    await until('its host is known to be cold', async () => {
      const { caches } = await pool.client.host(home);
      return caches?.warmRepos === 0;
    });
    const again = await submit('one');
    // Its layers are still there, which makes its old host the best one yet.
    expect(await ended(pool, again, 'cold', 'partly_warm')).toBe(home);
    const [last] = (await decisions(pool, again)).filter(({ host }) => host);
    expect(last?.predicted?.warmth).toBeLessThan(0.5);

    // Each ended once, at its first attempt, with a whole log, and tells what was expected and what came of it.
    for (const id of all) {
      expect((await pool.client.get(id)).attempts).toHaveLength(1);
      expectWhole(await pool.log(id), 1);
      const [placed] = (await decisions(pool, id)).filter(({ host }) => host);
      expect(placed).toMatchObject({ predicted: { runMs: expect.any(Number) }, actual: { end: 'succeeded' } });
    }
  },
  PATIENCE_MS,
);

/** Waits until it is said of the build that it waits for this host, which is warm for it, and not for the free one. */
async function waitsFor(pool: Pool, id = '', host = ''): Promise<void> {
  await until(`build ${id} is said to wait for ${host}`, async () => {
    const waiting = (await decisions(pool, id)).find(({ reason }) => reason === 'waits_for_warm');
    const verdicts = new Map(waiting?.considered.map((one) => [one.host, one]));
    const free = [...verdicts.values()].filter(({ usedSlots }) => usedSlots === 0);
    return verdicts.get(host)?.verdict === 'awaited' && verdicts.get(host)?.warmth === 1 && free.length === 1;
  });
}

/** Waits until the build has succeeded, as warm and for that reason as said; its host. */
async function ended(pool: Pool, id: string, cache: 'warm' | 'cold', reason: string): Promise<string> {
  const { state, host = '' } = await pool.end(id);
  const placed = (await decisions(pool, id)).find((one) => one.host !== null);
  const found = outputOf(await pool.log(id)).match(/found the cache (warm|cold)/)?.[1];
  expect({ id, state, found, reason: placed?.reason }).toEqual({ id, state: 'succeeded', found: cache, reason });
  expect(placed?.host).toBe(host);
  return host;
}

async function decisions(pool: Pool, id: string) {
  return (await pool.client.placement(id)).decisions;
}
