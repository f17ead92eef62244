import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { HostBuilders } from '@kiln/buildkit';
import { BASE, engine, IMAGES, smallRoot } from '@kiln/buildkit/testing';
import type { HostDisk } from '@kiln/contracts';
import { createLogger } from '@kiln/runtime';
import { TestRedis } from '@kiln/state/testing';
import { rawTar } from '@kiln/trees/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HostHealing } from '../healing/host-healing.ts';
import { buildOn, healedLane } from '../testing/healed-lane.ts';
import { eventually, TestHost } from '../testing/test-host.ts';

const MIB = 2 ** 20;
/** BuildKit's own files, the base, and its copies among the contexts take some 28 MiB of it. */
const DISK_BYTES = 144 * MIB;
const MIN_FREE_BYTES = 30 * MIB;
const HOT_MIB = 12;
const RARE = ['rare-1', 'rare-2', 'rare-3', 'rare-4'];
const RARE_MIB = 20;
/** A build needs `FILLS` times as much for a while, which is nearly all of the disk. */
const FILL_MIB = 22;
const FILLS = 4;
const log = createLogger({ app: 'test', level: 'silent' });
const instance = randomUUID().slice(0, 8);
const containerName = `buildx_buildkit_kiln-full-${instance}-trusted0`;
const container = engine.getContainer(containerName);
/** How long a step sleeps unless it is woken, s: 9 and this. */
const HELD = String(process.pid);

let scratchDir: string;
let root: Buffer;
let builders: HostBuilders;
let redis: TestRedis;
let pool: TestHost;
const contexts = new Map<string, Buffer>();

beforeAll(async () => {
  root = await smallRoot(['/usr/bin/head', '/usr/bin/sha256sum', '/usr/bin/seq', '/bin/rm']);
  scratchDir = await mkdtemp(join(tmpdir(), 'kiln-full-'));
  // BuildKit's state, on a small disk of its own.
  await engine.createVolume({
    Name: `${containerName}_state`,
    DriverOpts: { type: 'tmpfs', device: 'tmpfs', o: `size=${DISK_BYTES}` },
    Labels: { 'kiln.host': 'full', 'kiln.instance': instance, 'kiln.domain': 'trusted' },
  });
  builders = await HostBuilders.start({
    ...{ hostName: 'full', instance, scratchDir, log, trust: 'trusted', isolation: 'pool', cacheBudgetBytes: 4e9 },
    ...{ driver: 'docker-container', toolImage: IMAGES.tool, buildkitImage: IMAGES.buildkit },
  });
  redis = await TestRedis.start();
  pool = await TestHost.open(redis.url);
  await pool.start(
    {
      ...{ leaseTtlMs: 30_000, fenceMarginMs: 5_000, syncEveryMs: 500, inventoryEveryMs: 200 },
      minFreeDisk: { bytes: MIN_FREE_BYTES },
    },
    {
      executors: builders,
      openContext: async (digest) => Readable.from([contexts.get(digest) ?? Buffer.alloc(0)]),
      disk,
    },
  );
});
afterAll(async () => {
  await pool?.stop();
  await builders?.close();
  await pool?.[Symbol.asyncDispose]();
  await redis?.[Symbol.asyncDispose]();
  await container.remove({ force: true });
  await engine.getVolume(`${containerName}_state`).remove();
  await rm(scratchDir, { recursive: true, force: true });
});

/** Runs a script in the builder's container, and returns what it prints. */
async function inside(script: string): Promise<string> {
  const exec = await container.exec({ Cmd: ['sh', '-c', script], AttachStdout: true, Tty: true });
  return (await Array.fromAsync(await exec.start({ Tty: true }))).join('').trim();
}

async function disk(): Promise<HostDisk> {
  const [totalBytes = 0, freeBytes = 0] = (await inside("df -B1 /var/lib/buildkit | awk 'END { print $2, $4 }'"))
    .split(' ')
    .map(Number);
  return { totalBytes, freeBytes };
}

async function deliver(repo: string, lines: string): Promise<string> {
  const digest = `sha256:${randomUUID().replaceAll('-', '').padEnd(64, '0')}`;
  contexts.set(
    digest,
    rawTar({ name: 'Dockerfile', content: `${BASE}\n${lines}` }, { name: 'root.tar', content: root }),
  );
  return await pool.deliver({ repo, request: { source: { type: 'upload', name: repo, digest } } });
}

/** Builds as `repo`, as soon as the host accepts builds. */
async function build(repo: string, lines: string) {
  await pool.host(({ report }) => !report.conditions?.includes('low_disk'));
  return await pool.build(await deliver(repo, lines));
}

/** A step that fills a cache mount if it is empty, and fails if it isn't as it was left; then it does `more`. */
const keeping = (mebibytes: number, more = ':') =>
  [
    'RUN --mount=type=cache,target=/c cd /c && \\',
    '  if [ -e sum ]; then sha256sum -c sum && echo it was warm; \\',
    `  else head -c ${mebibytes}M /dev/urandom > data && sha256sum data > sum; fi && \\`,
    `  { ${more}; } # ${randomUUID()}`,
  ].join('\n');
/** What all steps of a build printed. */
const output = async (id: string) =>
  (await pool.log(id)).map((record) => (record.type === 'output' ? record.data : '')).join('');

test('on a disk that is too small for all caches builds go on, the repo that is worth most stays warm, and nothing is corrupt', async () => {
  // What the leader would have learned.
  const track = (mean: number) => ({ mean, samples: 5, drift: 0, spread: 0 });
  const hot = { estimate: { cold: track(300_000), warm: track(1_000) }, demand: { value: 50, at: Date.now() } };
  await pool.state.redis.hset(pool.state.keys.learnedRepos(), 'hot', JSON.stringify(hot));
  const succeeds = async (repo: string, lines: string) => {
    const record = await build(repo, lines);
    expect([repo, record.state, record.failure]).toEqual([repo, 'succeeded', undefined]);
    return await output(record.id);
  };
  await succeeds('hot', keeping(HOT_MIB));
  for (const repo of RARE) await succeeds(repo, keeping(RARE_MIB));
  const evicted = async () => (await pool.state.evictions.of('h1')).map(({ repo }) => repo);

  // Other caches are evicted while the build goes on, until there is nothing more to evict.
  const fill = `head -c ${FILL_MIB}M /dev/zero > /fill.$i && { sleep 9${HELD} || :; }`;
  const id = await deliver('hot', keeping(HOT_MIB, `for i in $(seq ${FILLS}); do ${fill}; done && rm /fill.*`));
  for (let i = 1; i <= FILLS; i++) {
    const sleeping = `grep -lszx '[9]${HELD}' /proc/[0-9]*/cmdline`;
    const pid = await eventually(async () => (await inside(sleeping)).split('/')[2]);
    const isRoom = async () => ((await disk()).freeBytes > (FILL_MIB + 4) * MIB ? true : undefined);
    if (i < FILLS) await eventually(isRoom);
    else {
      for (const repo of RARE) await eventually(async () => (await evicted()).find((each) => each === repo));
      await pool.host(({ report }) => report.conditions?.includes('low_disk') ?? false);
    }
    await inside(`kill ${pid}`);
  }
  expect(await pool.build(id)).toMatchObject({ state: 'succeeded' });
  await pool.host(({ report }) => report.conditions?.length === 0);

  const all = await pool.state.evictions.of('h1');
  expect(all.filter(({ reason, repo }) => reason !== 'low_disk' || repo === 'hot')).toEqual([]);
  const layers = `RUN head -c 5M /dev/urandom > /data && sha256sum /data > /sum\nRUN sha256sum -c /sum`;
  const warm = await succeeds('hot', `${keeping(HOT_MIB)}\n${layers}`);
  expect(warm).toContain('it was warm');
  expect(warm).toContain('/data: OK');
  expect(await succeeds('rare-1', keeping(RARE_MIB))).not.toContain('it was warm');
});

test('fails a build that fills the disk with disk_full, and runs the next one that fits', async () => {
  expect(await build('huge', `RUN head -c ${DISK_BYTES} /dev/zero > /huge`)).toMatchObject({
    state: 'failed',
    failure: { code: 'disk_full', step: expect.stringContaining('RUN head') },
  });
  expect(await build('small', 'RUN echo small > /small')).toMatchObject({ state: 'succeeded' });
});

test('if caches have filled the disk while nothing evicts them, a build is run again after half of them were removed', async () => {
  await pool.stop();
  const healing = await HostHealing.open({
    ...{ source: builders, ledgerFile: undefined, keepBrokenMs: 0, log, now: Date.now },
  });
  const lane = healedLane(builders, healing);
  const on = (lines: string) => buildOn(lane, root, lines);
  // Its mount takes all of the disk but what BuildKit needs to end the build.
  const fill = `head -c 2M /dev/zero > a; head -c ${DISK_BYTES} /dev/zero > data; rm a`;
  const full = `RUN --mount=type=cache,target=/full cd /full && { ${fill}; }`;
  expect((await on(full)).outcome).toMatchObject({ end: 'succeeded' });
  const { outcome, records } = await on(`RUN head -c ${RARE_MIB}M /dev/zero > /data`);
  expect(outcome).toMatchObject({ end: 'succeeded' });
  expect(records).toContainEqual(
    expect.objectContaining({
      type: 'note',
      message: expect.stringContaining("the builder's store is damaged (disk_full)"),
    }),
  );
  expect(healing.ledger.incidents).toMatchObject([{ state: 'disk_full', action: 'retried' }]);
  lane.stopWatching();
  healing.stop();
});
