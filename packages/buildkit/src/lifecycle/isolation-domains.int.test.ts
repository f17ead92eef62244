import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isolationDomain } from '@kiln/domain';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Builder, EngineTaken, HostBuilders, type HostBuildersOptions } from '../index.ts';
import { begin, engine, FROM, IMAGES } from '../testing/lab.ts';
import { type PrivateEngine, startPrivateEngine } from '../testing/private-engine.ts';
import { BASE, smallRoot } from '../testing/small-root.ts';

const FENCE_MS = 600_000;
const WEB = isolationDomain({ team: 'web', repo: 'app' }, 'team');
const OPS = isolationDomain({ team: 'ops', repo: 'app' }, 'team');

/** Content of team web's mount, which has the same name for all teams. */
const FILL = 'RUN --mount=type=cache,id=shared,sharing=locked,target=/c echo falsified > /c/lib';
/** Content that team ops writes into its own mount of that name, in an identical step. */
const USE =
  'RUN --mount=type=cache,id=shared,sharing=locked,target=/c [ -e /c/lib ] || echo genuine > /c/lib; cat /c/lib; cat /proc/sys/kernel/random/uuid';

async function open(host: HostBuilders, domain: string): Promise<Builder> {
  const builder = await host.open(domain);
  await builder.extendFence(Date.now() + FENCE_MS);
  return builder;
}

/** Runs the step for a team; returns its output, and whether it was cached. */
async function step(builder: Builder, base: string, text: string, team: string, files = {}) {
  const run = begin(builder, { dockerfile: `${base}\n${text}`, files, spec: { team }, repo: `team ${team} app` });
  const { end, failure, steps } = await run.outcome;
  expect([end, failure]).toEqual(['succeeded', undefined]);
  return { output: run.output(), cached: steps?.cached };
}

const silent = { debug() {}, info() {}, warn() {}, error() {} };

describe('docker-container', () => {
  const instance = randomUUID().slice(0, 8);
  let scratch: string;
  let options: HostBuildersOptions;
  let host: HostBuilders;
  let files: { 'root.tar': Buffer };

  const volumes = async () => {
    const { Volumes } = await engine.listVolumes({ filters: { label: [`kiln.instance=${instance}`] } });
    return Volumes.map(({ Labels }) => Labels?.['kiln.domain']).sort();
  };

  beforeAll(async () => {
    files = { 'root.tar': await smallRoot() };
    scratch = await mkdtemp(join(tmpdir(), 'kiln-domains-'));
    options = {
      ...{ hostName: 'lab', instance, scratchDir: join(scratch, 'scratch'), driver: 'docker-container' },
      ...{ toolImage: IMAGES.tool, buildkitImage: IMAGES.buildkit, cacheBudgetBytes: 4e9, log: silent },
    };
    host = await HostBuilders.start(options);
  });
  afterAll(async () => {
    await host?.close();
    for (const domain of await host.stored()) await host.discard(domain);
    await rm(scratch, { recursive: true, force: true });
  });

  test('starts no builder before the first build of its domain, but knows their properties', async () => {
    expect(host.info).toMatchObject({
      ...{ driver: 'docker-container', isolation: 'team', oneDomain: false, trust: ['trusted', 'untrusted'] },
      cacheBudget: { bytes: 4e9 },
      cacheBudgets: { trusted: 3e9, untrusted: 1e9 },
    });
    expect(host.info.platforms).not.toEqual([]);
    expect([host.running, await host.stored(), await volumes()]).toEqual([[], [], []]);
  });

  test('keeps a team from falsifying another’s cache by the same mount id and step', async () => {
    const [web, ops] = [await open(host, WEB), await open(host, OPS)];
    expect(await volumes()).toEqual([OPS, WEB].sort());
    await step(web, BASE, FILL, 'web', files);
    const attack = await step(web, BASE, USE, 'web', files);
    expect(attack.output).toMatch(/^falsified\n[0-9a-f-]{36}\n$/);
    expect((await step(web, BASE, USE, 'web', files)).cached).toBe(2);
    const victim = await step(ops, BASE, USE, 'ops', files);
    expect(victim.output).toMatch(/^genuine\n[0-9a-f-]{36}\n$/);
  });

  test('a builder refuses a build of another domain', async () => {
    const run = begin(await open(host, WEB), { domain: OPS, dockerfile: `${BASE}\nRUN echo ran`, files });
    expect((await run.outcome).failure).toEqual({
      code: 'infrastructure',
      message: 'the builder is for trusted builds of team web, got one of the trusted builds of team ops',
    });
    expect(run.records).toEqual([]);
  });

  test('keeps the caches of a stopped builder, and removes those of a discarded domain', async () => {
    await host.stop(WEB);
    expect(host.running).not.toContain(WEB);
    expect([...(await host.stored())].sort()).toEqual([OPS, WEB].sort());
    expect((await step(await open(host, WEB), BASE, USE, 'web', files)).cached).toBe(2);
    await host.discard(WEB);
    expect(await host.stored()).toEqual([OPS]);
    expect((await step(await open(host, WEB), BASE, USE, 'web', files)).output).toMatch(/^genuine\n/);
  });

  test('evicts only what exceeds the domain’s part of the budget', async () => {
    const ops = await open(host, OPS);
    const copies = 'i=0; while [ $i -lt 60 ]; do cat /bin/sh >> /c/x; i=$((i+1)); done';
    const fill = (id: string) => `RUN --mount=type=cache,id=${id},target=/c ${copies} # ${id}`;
    for (const id of ['older', 'younger']) await step(ops, BASE, fill(id), 'ops', files);
    const ids = async () => (await ops.inventory()).mounts.map(({ id }) => id.split('/').at(-1));
    expect(await ids()).toEqual(expect.arrayContaining(['older', 'younger']));
    const part = (await ops.inventory()).usedBytes - 5_000_000;
    await ops.trim(part);
    expect((await ops.inventory()).usedBytes).toBeLessThanOrEqual(part);
    expect(await ids()).toContain('younger');
    await ops.trim(0);
    expect(await ids()).toEqual([]);
  });

  test('a new worker stops builders that an old one left running, and removes caches of another isolation', async () => {
    await host.close();
    host = await HostBuilders.start(options);
    expect(host.running).toHaveLength(1);
    expect([...(await host.stored())].sort()).toEqual([OPS, WEB].sort());
    await host.close();
    host = await HostBuilders.start({ ...options, isolation: 'pool' });
    expect(await host.stored()).toEqual(['trusted']);
    await host.close();
    host = await HostBuilders.start(options);
    expect([host.running, await host.stored()]).toEqual([[], []]);
  });
});

describe('docker', () => {
  let own: PrivateEngine;
  let hosts = 0;

  const start = (isolation?: 'team' | 'pool') =>
    HostBuilders.start({
      ...{
        hostName: `lab${++hosts}`,
        instance: 'domains',
        driver: 'docker',
        toolImage: IMAGES.tool,
        buildkitImage: 'none',
      },
      ...{ dockerSocket: own.socket, engineSocketPath: own.innerSocket, scratchDir: join(own.dir, `scratch${hosts}`) },
      ...(isolation && { isolation }),
      log: silent,
    });

  beforeAll(async () => {
    own = await startPrivateEngine([IMAGES.tool, IMAGES.debian]);
  });
  afterAll(() => own?.[Symbol.asyncDispose]());

  test('the first team that builds claims the engine, for all of its workers', async () => {
    await using host = await start();
    await using other = await start();
    expect([host.info, host.domain]).toMatchObject([{ isolation: 'team', oneDomain: true }, undefined]);
    const claims = await Promise.allSettled([open(host, WEB), open(other, OPS)]);
    expect(claims.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const lost = claims.find((claim) => claim.status === 'rejected');
    expect(lost?.reason).toBeInstanceOf(EngineTaken);
    const winner = claims[0]?.status === 'fulfilled' ? 'web' : 'ops';
    expect([host.domain, other.domain]).toEqual(Array(2).fill(`trusted team ${winner}`));
    expect(String(lost?.reason)).toContain(`is claimed for trusted builds of team ${winner} by`);
    await own.engine.getVolume('kiln-engine-domain').remove();
  });

  test('a team can’t falsify another team’s cache, unless the isolation is pool', async () => {
    await using host = await start();
    const web = await open(host, WEB);
    await step(web, FROM, FILL, 'web');
    expect((await step(web, FROM, USE, 'web')).output).toMatch(/^falsified\n/);
    await expect(open(host, OPS)).rejects.toThrow(EngineTaken);
    const refused = begin(web, { domain: OPS, dockerfile: `${FROM}\n${USE}`, spec: { team: 'ops' } });
    expect((await refused.outcome).failure?.code).toBe('infrastructure');
    // The claim survives a restart of the worker.
    await using again = await start();
    expect(again.domain).toBe(WEB);

    await using pool = await start('pool');
    expect([pool.info.isolation, pool.domain]).toEqual(['pool', 'trusted']);
    const shared = await open(pool, 'trusted');
    const victim = await step(shared, FROM, USE, 'ops');
    expect([victim.output, victim.cached]).toEqual(['', 1]);
    // Going back requires an engine without the caches of all.
    await expect(start('team')).rejects.toThrow(/docker builder prune --all && docker volume rm kiln-engine-domain/);
    // Without a configured isolation, that of the engine’s claim applies.
    await using unset = await start();
    expect(unset.info.isolation).toBe('pool');
  });
});
