import { randomUUID } from 'node:crypto';
import { startRegistry } from '@kiln/buildkit/testing';
import { expect, test } from 'vitest';
import { quick, unique } from '../../support/dockerfiles.ts';
import type { TestHosts } from '../../support/hosts.ts';
import { expectWhole, outputOf } from '../../support/logs.ts';
import type { Pool } from '../../support/pool/pool.ts';
import { processesWith } from '../../support/processes.ts';
import type { HostsLab } from './lab.ts';

const POLL = { timeout: 60_000, interval: 50 };

/** Fails the test unless the next build for this host succeeds there. */
async function expectTakesBuilds(pool: Pool, host: string): Promise<void> {
  const { id } = await pool.submit(quick(randomUUID()), { hostLabels: { name: host } });
  expect(await pool.end(id)).toMatchObject({ state: 'succeeded', host, attempts: [{ number: 1 }] });
}

/** Number of processes on this host that have `argument` among their arguments. */
async function running(hosts: TestHosts, host: string, argument: string): Promise<number> {
  const onHost = new Set(await hosts.host(host).processes());
  return (await processesWith(argument)).filter((pid) => onHost.has(pid)).length;
}

/** Waits until the worker has logged, since line `from`, that it discarded the result of a stale attempt. */
async function expectStale(pool: Pool, host: string, from: number): Promise<void> {
  const said = () => pool.process('worker', host).lines.slice(from).join('\n');
  await expect.poll(said, POLL).toContain('attempt is stale; its result is discarded');
}

/** Stories of hosts that are lost, cut off or frozen in mid-build. */
export function lostHostStories({ hosts, pool: thePool }: HostsLab): void {
  test('a host that is lost in mid-build costs one attempt; the build ends once, on another host, and the lost host comes back', async () => {
    const pool = thePool();
    const build = await pool.hang();
    const host = await build.host();
    await pool.lose(host);
    await build.hangs(2);
    await build.release();
    expect(await pool.end(build.id)).toMatchObject({
      state: 'succeeded',
      attempts: [
        { number: 1, host, end: 'lost', failure: { code: 'host_lost' } },
        { number: 2, host: expect.not.stringMatching(host), end: 'succeeded' },
      ],
    });
    const log = await pool.log(build.id);
    expectWhole(log, 2);
    expect(outputOf(log).match(/begun/g)).toHaveLength(2);
    expect(outputOf(log).match(/released/g)).toHaveLength(1);

    await pool.bringBack(host);
    await expectTakesBuilds(pool, host);
  });

  test('an engine that dies while its worker lives is the host’s fault, not the build’s', async () => {
    const pool = thePool();
    const build = await pool.hang();
    const host = await build.host();
    await hosts().host(host).kill();
    await build.hangs(2);
    await build.release();
    expect(await pool.end(build.id)).toMatchObject({
      state: 'succeeded',
      attempts: [
        { number: 1, host, end: 'lost', failure: { code: 'infrastructure' } },
        { number: 2, host: expect.not.stringMatching(host), end: 'succeeded' },
      ],
    });
    expectWhole(await pool.log(build.id), 2);

    await hosts().host(host).start();
    await expectTakesBuilds(pool, host);
  });

  test('a host that is cut off from Redis while it pushes stops before its lease ends; what is pushed is the winner’s', async () => {
    await using registry = await startRegistry({ listenAt: hosts().address });
    const pool = thePool();
    registry.hold('1');
    const tag = `${registry.host}/team/app:1`;
    const { id } = await pool.submit(unique, { tags: [tag], output: { type: 'push' } });
    await expect.poll(() => registry.waiting('1'), POLL).toBe(1);
    const { host = '' } = await pool.client.get(id);
    const loser = hosts().host(host);
    const before = pool.process('worker', host).lines.length;
    await loser.cut({ port: pool.redisPort });

    // Its link to the registry works: only the fence can stop this push.
    await expect.poll(() => registry.waiting('1'), POLL).toBe(0);
    await expect.poll(() => running(hosts(), host, 'docker-buildx'), POLL).toBe(0);
    expect(await pool.leaseOf(host)).toBeGreaterThan(0);
    expect((await pool.client.get(id)).attempts).toHaveLength(1);

    await expect.poll(() => registry.waiting('1'), POLL).toBe(1);
    registry.release('1');
    const build = await pool.end(id);
    expect(build).toMatchObject({
      state: 'succeeded',
      attempts: [
        { number: 1, host, end: 'lost', failure: { code: 'host_lost' } },
        { number: 2, host: expect.not.stringMatching(host), end: 'succeeded' },
      ],
    });
    // BuildKit and the engine put several manifests for one push: the image's index and its parts.
    const pushed = registry.pushes.map(({ digest }) => digest);
    expect([pushed[0], pushed.at(-1)]).toEqual([build.result?.digest, build.result?.digest]);
    expect(pushed).not.toContain(registry.held[0]?.digest);
    expectWhole(await pool.log(id), 2);

    // When the link works again, the worker finds its attempt stale, discards the result, and takes builds.
    await loser.mend();
    await expectStale(pool, host, before);
    expect(await pool.client.get(id)).toEqual(build);
    await expectTakesBuilds(pool, host);
    expect(registry.pushes).toHaveLength(pushed.length);
  });

  test('a host that is frozen in mid-build finds its attempt stale when it continues', async () => {
    const pool = thePool();
    const build = await pool.hang();
    const host = await build.host();
    const before = pool.process('worker', host).lines.length;
    await hosts().host(host).pause();
    await expect.poll(async () => (await pool.client.get(build.id)).attempts.length, POLL).toBe(2);
    hosts().host(host).resume();
    await expect.poll(() => running(hosts(), host, build.seconds), POLL).toBe(0);
    await expectStale(pool, host, before);
    await build.hangs(2);
    await build.release();
    const ended = await pool.end(build.id);
    expect(ended).toMatchObject({ state: 'succeeded', attempts: [{ host, end: 'lost' }, { end: 'succeeded' }] });
    expectWhole(await pool.log(build.id), 2);
  });

  test('a build that takes down the workers of three hosts fails, and gets no fourth host', async () => {
    const pool = thePool();
    const build = await pool.hang();
    const killed: string[] = [];
    for (const attempt of [1, 2, 3]) {
      await build.hangs(attempt);
      const host = await build.host();
      await pool.kill('worker', host);
      killed.push(host);
    }
    const ended = await pool.end(build.id);
    expect(new Set(killed).size).toBe(3);
    expect(ended).toMatchObject({
      state: 'failed',
      failure: { code: 'poisoned' },
      attempts: killed.map((host) => ({ host, end: 'lost', failure: { code: 'host_lost' } })),
    });
    expectWhole(await pool.log(build.id), 3);
  });
}
