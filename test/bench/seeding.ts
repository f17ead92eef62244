/**
 * `npm run bench:seeding [-- --mb N --json FILE]`: what a snapshot of caches brings, and how fast it is saved and seeded: for N MB (default 1000) of small files
 * and for one file of that size, a build without caches, on a seeded builder, and on a warm one; then the rates beside those of `tar | zstd` over the same files in
 * the same run (or `tar | gzip -1`, if there is no zstd). Fails only if a build or a task fails.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import type { TaskView } from '@kiln/contracts';
import { DEBIAN } from '../support/dockerfiles.ts';
import { until } from '../support/until.ts';
import { kilnUp } from './support/kiln-up.ts';
import { mb, saveJson, say, table } from './support/report.ts';
import { tarOf } from './support/tar.ts';

const run = promisify(execFile);
const { values } = parseArgs({ options: { mb: { type: 'string', default: '1000' }, json: { type: 'string' } } });
const total = Math.max(10, Number(values.mb));
/** KB of a small file. */
const SMALL_KB = 16;
const PUBLISHED_MS = 120_000;

/** Half of the content is random, half of it text, as of packages. Runs in sh and in a container, in an empty directory. */
const BLOCK = 'head -c 8192 /dev/urandom; yes kiln | head -c 8192';
const MAKE = {
  'small files': `${BLOCK.replace(/^/, '(').replace(/$/, ')')} > .block; i=0; while [ $i -lt ${Math.round((total * 1000) / SMALL_KB)} ]; do d=$((i / 500)); [ -d $d ] || mkdir $d; { echo $i; head -c 16000 .block; } > $d/$i; i=$((i + 1)); done`,
  'one large file': `(head -c ${total * 500_000} /dev/urandom; yes kiln | head -c ${total * 500_000}) > large`,
};

interface Figures {
  readonly bytes: number;
  readonly coldMs: number;
  readonly warmMs: number;
  readonly seededMs: number;
  readonly saveMs: number;
  readonly seedMs: number;
  readonly packMs: number;
  readonly unpackMs: number;
}

await using pool = await kilnUp();
const { client } = pool;
const packer = hasZstd()
  ? { name: 'zstd', pack: 'zstd -q -3', unpack: 'zstd -dq' }
  : { name: 'gzip -1', pack: 'gzip -1', unpack: 'gzip -d' };

function hasZstd(): boolean {
  try {
    execFileSync('zstd', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

async function build(repo: string, make: string): Promise<void> {
  const dockerfile = `FROM ${DEBIAN}\nENV RUN=${Math.random()}\nRUN --mount=type=cache,id=bench,target=/c cd /c && if [ -e made ]; then echo warm; else ${make} && touch made; fi\n`;
  const tar = await tarOf({ Dockerfile: Buffer.from(dockerfile) });
  const { id } = await client.submit(
    { source: { type: 'upload', name: repo } },
    { context: { open: () => ReadableStream.from([tar]), repeatable: true } },
  );
  for await (const _ of client.followLog(id));
  const { state, failure } = await client.get(id);
  if (state !== 'succeeded') throw new Error(`build ${id} ${state}: ${failure?.message}`);
}

async function done(task: TaskView): Promise<TaskView> {
  let last = task;
  for await (const now of client.watchTask(task.id)) last = now;
  if (last.state !== 'succeeded') throw new Error(`task ${last.type}: ${last.failure?.message}`);
  return last;
}

/** Time from start to end as the host measured it: waiting for the task is not a part of the rate. */
const spent = ({ startedAt = '', endedAt = '' }: TaskView) => Date.parse(endedAt) - Date.parse(startedAt);

/** Removes this bench's cache mount, and nothing else, from the engine's BuildKit. */
async function dropMount(): Promise<void> {
  const { stdout } = await run('docker', [
    'buildx',
    '--builder',
    'default',
    'du',
    '--verbose',
    '--filter',
    'type=exec.cachemount',
  ]);
  for (const record of stdout.split('\n\n')) {
    if (!record.includes('/bench"')) continue;
    const id = /^ID:\s+(\S+)/m.exec(record)?.[1];
    if (id)
      await run('docker', ['buildx', '--builder', 'default', 'prune', '--force', '--all', '--filter', `id=${id}`]);
  }
}

async function measure(name: keyof typeof MAKE): Promise<Figures> {
  const repo = `bench-${name.replaceAll(' ', '-')}-${Date.now()}`;
  const make = MAKE[name];
  const coldMs = await timed(() => build(repo, make));
  const warmMs = await timed(() => build(repo, make));
  // The host publishes what a build left in its caches some time after the build.
  await until(
    'the host lists the caches',
    async () => (await client.host('bench')).inventory?.repos.some((one) => one.repo === repo),
    PUBLISHED_MS,
  );
  const saved = await done(await client.saveCaches({ repo }));
  await dropMount();
  const seeded = await done(await client.seedCaches({ repo, host: 'bench' }));
  const seededMs = await timed(() => build(repo, make));
  await dropMount();
  const [from, to, archive] = [
    join(pool.dir, `${repo}-from`),
    join(pool.dir, `${repo}-to`),
    join(pool.dir, `${repo}.tar`),
  ];
  await Promise.all([mkdir(from), mkdir(to)]);
  await run('sh', ['-c', make], { cwd: from });
  const packMs = await timed(() =>
    run('sh', ['-c', `tar -cf - . | ${packer.pack} > ${archive}; sync ${archive}`], { cwd: from }),
  );
  const unpackMs = await timed(() => run('sh', ['-c', `${packer.unpack} < ${archive} | tar -xf -`], { cwd: to }));
  await run('rm', ['-rf', from, to, archive]);
  const bytes = Number((saved.result as { bytes?: number }).bytes);
  return { bytes, coldMs, warmMs, seededMs, saveMs: spent(saved), seedMs: spent(seeded), packMs, unpackMs };
}

const figures: Record<string, Figures> = {};
for (const name of Object.keys(MAKE) as (keyof typeof MAKE)[]) {
  say(`${name}, ${total} MB`);
  figures[name] = await measure(name);
}
const rate = (bytes: number, ms: number) => `${Math.round(bytes / 1e6 / (ms / 1000))} MB/s`;
const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
say();
say(
  table([
    ['', 'size', 'cold build', 'seeded', 'warm', 'save', `tar | ${packer.name}`, 'seed', `${packer.name} | tar`],
    ...Object.entries(figures).map(([name, one]) => [
      ...[name, mb(one.bytes), seconds(one.coldMs), seconds(one.seededMs), seconds(one.warmMs)],
      ...[one.saveMs, one.packMs, one.seedMs, one.unpackMs].map((ms) => rate(one.bytes, ms)),
    ]),
  ]),
);
await saveJson(values.json, figures);
