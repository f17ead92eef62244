import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { domainOfKey } from '@kiln/domain';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DomainSource } from '../testing/domain-source.ts';
import { eventually, type TestHost, useTestHost } from '../testing/test-host.ts';
import type { RunningWorker } from '../worker.ts';
import type { WorkerOptions } from '../worker-options.ts';

const [WEB, OPS] = ['trusted team web', 'trusted team ops'];
const fixture = useTestHost();
let pool: TestHost;
let source: DomainSource;

beforeEach(async () => {
  pool = fixture.host;
  source = new DomainSource(false);
});
afterEach(async () => {
  source.release();
});

const startHost = (options: Partial<WorkerOptions> = {}): Promise<RunningWorker> =>
  pool.start({ slots: 4, syncEveryMs: 50, ...options }, { executors: source, engineCheckEveryMs: 10 });
const deliver = (team: string): Promise<string> => pool.deliver({ request: { team } });
const build = async (team: string) => pool.build(await deliver(team));

describe('a host that keeps domains apart', () => {
  test('starts a domain’s builder once when its first builds arrive, and runs them there', async () => {
    await startHost();
    expect(source.opened).toEqual([]);
    expect((await pool.host()).report).toMatchObject({ isolation: 'team', oneDomain: false });
    const ids = await Promise.all(['web', 'web', 'ops'].map(deliver));
    for (const id of ids) expect(await pool.build(id)).toMatchObject({ state: 'succeeded' });
    expect(source.opened.map(([domain]) => domain).sort()).toEqual([OPS, WEB]);
    expect(source.ran.map(({ domain, repo }) => domain === domainOfKey(repo, 'team'))).toEqual([true, true, true]);
    expect(source.fencedUntilMs).toBeGreaterThan(Date.now());
  });

  test('stops an idle builder, and keeps reporting its last known caches', async () => {
    await startHost({ builderIdleMs: 30, ledgerFile: join(pool.dir, 'layers.json') });
    await build('web');
    source.volumes.set(WEB, 70);
    await build('web');
    await eventually(() => source.running.length === 0 || undefined);
    expect((await pool.host(({ inventory }) => inventory?.usedBytes === 70)).inventory).toMatchObject({
      usedByDomain: { [WEB]: 70 },
      mounts: [{ id: `${WEB}/x`, domain: WEB }],
    });
    expect(await build('web')).toMatchObject({ state: 'succeeded' });
  });

  test('does not stop a builder while a build needs it', async () => {
    source.hold();
    await startHost({ builderIdleMs: 1 });
    const id = await deliver('web');
    await eventually(() => source.ran[0]);
    const other = await deliver('ops');
    await eventually(() => source.ran[1]);
    expect(source.running).toEqual([WEB, OPS]);
    expect(source.opened).toHaveLength(2);
    source.release();
    for (const one of [id, other]) expect(await pool.build(one)).toMatchObject({ state: 'succeeded' });
    await eventually(() => source.running.length === 0 || undefined);
  });

  test('knows the caches of stopped builders after a restart, and forgets those that are gone from the engine', async () => {
    const ledgerFile = join(pool.dir, 'layers.json');
    const first = await startHost({ ledgerFile, builderIdleMs: 20 });
    for (const team of ['web', 'ops']) await build(team);
    for (const domain of [WEB, OPS]) source.volumes.set(domain, 50);
    for (const team of ['web', 'ops']) await build(team);
    await pool.host(({ inventory }) => inventory?.usedBytes === 100);
    await first.drain(0);
    source.up.clear();
    source.volumes.delete(OPS);
    source.opened.length = 0;
    await startHost({ ledgerFile });
    const { inventory } = await pool.host((now) => now.inventory?.usedBytes === 50);
    expect([inventory?.usedByDomain, source.opened]).toEqual([{ [WEB]: 50 }, []]);
  });

  test('reports only the domain as away whose builder can’t be started, until it can', async () => {
    source.broken.add(WEB);
    await startHost();
    const back = await pool.build(await deliver('web'), ({ state }) => state === 'queued');
    expect(back.attempts).toMatchObject([{ failure: { code: 'infrastructure' } }]);
    expect((await pool.host()).report).toMatchObject({ domainsAway: [WEB], accepting: true });
    expect(await build('ops')).toMatchObject({ state: 'succeeded' });
    source.broken.delete(WEB);
    await pool.host(({ report }) => report.domainsAway?.length === 0);
    expect(await build('web')).toMatchObject({ state: 'succeeded' });
  });

  test('divides the budget among domains, and trims caches to their shares', async () => {
    await startHost({ shareEveryMs: 20, ledgerFile: join(pool.dir, 'layers.json') });
    await build('web');
    expect(source.opened[0]).toEqual([WEB, 3_200]);
    source.volumes.set(WEB, 3_000);
    await build('web');
    await pool.host(({ inventory }) => inventory?.usedBytes === 3_000);
    // A second domain arrives: together they have no more than the first had.
    await build('ops');
    const { report } = await pool.host(({ report: now }) => Object.keys(now.cacheBudgets ?? {}).length === 2);
    const shares = Object.values(report.cacheBudgets ?? {});
    expect(shares.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(3_200);
    for (const share of shares) expect(share).toBeGreaterThanOrEqual(100);
    await eventually(() => source.trimmed.find(([domain, toBytes]) => domain === WEB && toBytes < 3_000));
    await pool.host(({ inventory }) => (inventory?.usedBytes ?? 0) < 3_000);
    expect(JSON.parse(await readFile(join(pool.dir, 'layers.json.domains'), 'utf8'))).toHaveProperty([WEB, 'worth']);
  });

  test('discards caches if the budget is too small for all domains', async () => {
    for (let i = 0; i < 33; i++) source.volumes.set(`trusted team t${i}`, 1);
    await startHost({ shareEveryMs: 20 });
    await eventually(() => source.volumes.size === 32 || undefined);
    await build('web');
    await eventually(() => source.volumes.size === 32 || undefined);
    expect([...source.volumes.keys()]).toContain(WEB);
  });
});
