import { randomUUID } from 'node:crypto';
import { startRegistry } from '@kiln/buildkit/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { processesWith, until } from '../support/conditions.ts';
import { hanging, quick, unique } from '../support/dockerfiles.ts';
import { startHosts, type TestHosts } from '../support/hosts.ts';
import { expectWhole, outputOf } from '../support/logs.ts';
import { buildOn } from '../support/occupy.ts';
import { type Pool, sharedPool } from '../support/pool.ts';

/** Three engines, four more processes and two cores. */
const PATIENCE_MS = 300_000;

let hosts: TestHosts;
beforeAll(async () => {
  hosts = await startHosts('a', 'b', 'c');
}, PATIENCE_MS);
afterAll(() => hosts?.[Symbol.asyncDispose](), PATIENCE_MS);
const thePool = sharedPool(() => ({ hosts, leaseTtlMs: 8_000, fenceMarginMs: 4_000 }), PATIENCE_MS);

/** A build that hangs on the host that is given back, as its attempt of this number. */
async function hangingBuild(pool: Pool): Promise<{ id: string; seconds: string; host: string }> {
  const seconds = pool.sleepSeconds();
  const { id } = await pool.submit(hanging(seconds));
  await pool.sleeping(seconds, id);
  const { host = '' } = await pool.client.get(id);
  return { id, seconds, host };
}

test(
  'a host that is lost in mid-build costs an attempt; the build ends once, on another, and the host comes back',
  async () => {
    const pool = thePool();
    const { id, seconds, host } = await hangingBuild(pool);
    await pool.lose(host);
    await pool.sleeping(seconds, id, 2);
    await pool.release(seconds);
    const build = await pool.end(id);
    expect(build).toMatchObject({
      state: 'succeeded',
      attempts: [
        { number: 1, host, end: 'lost', failure: { code: 'host_lost' } },
        { number: 2, host: expect.not.stringMatching(host), end: 'succeeded' },
      ],
    });
    const log = await pool.log(id);
    expectWhole(log, 2);
    expect(outputOf(log).match(/begun/g)).toHaveLength(2);
    expect(outputOf(log).match(/released/g)).toHaveLength(1);

    await pool.bringBack(host);
    await buildOn(pool, host, () => pool.submit(quick(randomUUID())));
  },
  PATIENCE_MS,
);

test(
  'an engine that dies under a living worker is the host’s fault, not the build’s',
  async () => {
    const pool = thePool();
    const { id, seconds, host } = await hangingBuild(pool);
    await hosts.host(host).kill();
    await pool.sleeping(seconds, id, 2);
    await pool.release(seconds);
    const build = await pool.end(id);
    expect(build).toMatchObject({
      state: 'succeeded',
      attempts: [
        { number: 1, host, end: 'lost', failure: { code: 'infrastructure' } },
        { number: 2, host: expect.not.stringMatching(host), end: 'succeeded' },
      ],
    });
    expectWhole(await pool.log(id), 2);

    await hosts.host(host).start();
    await buildOn(pool, host, () => pool.submit(quick(randomUUID())));
  },
  PATIENCE_MS,
);

test(
  'a host that is cut off from Redis while it pushes stops before its lease ends; what is pushed is the winner’s',
  async () => {
    await using registry = await startRegistry({ listenAt: hosts.address });
    const pool = thePool();
    registry.hold('1');
    const tag = `${registry.host}/team/app:1`;
    const { id } = await pool.submit(unique, { tags: [tag], output: { type: 'push' } });
    await until('attempt 1 pushes', () => registry.waiting('1') === 1);
    const { host = '' } = await pool.client.get(id);
    const loser = hosts.host(host);
    const said = pool.process('worker', host).lines.length;
    await loser.cut({ port: pool.redisPort });

    // Its link to the registry is whole: nothing but the fence can stop this push.
    await until('attempt 1 no longer pushes', () => registry.waiting('1') === 0);
    await until('its buildx is gone', async () => (await running(host, 'docker-buildx')) === 0);
    expect(await pool.leaseOf(host)).toBeGreaterThan(0);
    expect((await pool.client.get(id)).attempts).toHaveLength(1);

    await until('attempt 2 pushes', () => registry.waiting('1') === 1);
    registry.release('1');
    const build = await pool.end(id);
    expect(build).toMatchObject({
      state: 'succeeded',
      attempts: [
        { number: 1, host, end: 'lost', failure: { code: 'host_lost' } },
        { number: 2, host: expect.not.stringMatching(host), end: 'succeeded' },
      ],
    });
    // For one push BuildKit and the engine put several manifests: the image's index and what it consists of.
    const pushed = registry.pushes.map(({ digest }) => digest);
    expect([pushed[0], pushed.at(-1)]).toEqual([build.result?.digest, build.result?.digest]);
    expect(pushed).not.toContain(registry.held[0]?.digest);
    expectWhole(await pool.log(id), 2);

    // Back again, it finds its attempt stale, throws the result away, and takes builds.
    await loser.mend();
    await until('it is thrown away', () => pool.process('worker', host).lines.slice(said).some(isStale));
    expect(await pool.client.get(id)).toEqual(build);
    await buildOn(pool, host, () => pool.submit(quick(randomUUID())));
    expect(registry.pushes).toHaveLength(pushed.length);
  },
  PATIENCE_MS,
);

test(
  'a host that stands still while it builds finds its attempt stale when it goes on',
  async () => {
    const pool = thePool();
    const { id, seconds, host } = await hangingBuild(pool);
    const said = pool.process('worker', host).lines.length;
    await hosts.host(host).pause();
    await until('attempt 2 begins', async () => (await pool.client.get(id)).attempts.length === 2);
    hosts.host(host).resume();
    await until('the RUN of attempt 1 has ended', async () => (await running(host, seconds)) === 0);
    await until('it is thrown away', () => pool.process('worker', host).lines.slice(said).some(isStale));
    await pool.sleeping(seconds, id, 2);
    await pool.release(seconds);
    const build = await pool.end(id);
    expect(build).toMatchObject({ state: 'succeeded', attempts: [{ host, end: 'lost' }, { end: 'succeeded' }] });
    expectWhole(await pool.log(id), 2);
  },
  PATIENCE_MS,
);

test(
  'a build that takes three hosts’ workers down fails, and takes no fourth',
  async () => {
    const pool = thePool();
    const seconds = pool.sleepSeconds();
    const { id } = await pool.submit(hanging(seconds));
    const killed: string[] = [];
    for (const attempt of [1, 2, 3]) {
      await pool.sleeping(seconds, id, attempt);
      const { host = '' } = await pool.client.get(id);
      await pool.kill('worker', host);
      killed.push(host);
    }
    const build = await pool.end(id);
    expect(new Set(killed).size).toBe(3);
    expect(build).toMatchObject({
      state: 'failed',
      failure: { code: 'poisoned' },
      attempts: killed.map((host) => ({ host, end: 'lost', failure: { code: 'host_lost' } })),
    });
    expectWhole(await pool.log(id), 3);
  },
  PATIENCE_MS,
);

const isStale = (line: string) => line.includes('attempt is stale; its result is discarded');

/** How many processes on this host have `argument` among their arguments. */
async function running(host: string, argument: string): Promise<number> {
  const onHost = new Set(await hosts.host(host).processes());
  return (await processesWith(argument)).filter((pid) => onHost.has(pid)).length;
}
