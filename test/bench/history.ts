/**
 * `npm run bench:history [-- --builds N --rounds N --json FILE]`: measures what ended builds cost: Redis memory of each, whole and archived; how
 * fast an API process archives them, a leader purges them, and an API process deletes old blobs; how long lists and reads take before and
 * after. For comparison, in the same run and on the same Redis, it does SET and DEL of as many plain values. Fails only on wrong results.
 */
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { FsBlobStore } from '@kiln/blobs';
import { openState, type State } from '@kiln/state';
import { TestRedis } from '@kiln/state/testing';
import { until } from '../support/until.ts';
import { type ApiAlone, apiAlone } from './support/api-alone.ts';
import { endedBuilds } from './support/ended-builds.ts';
import { redisCpuMs } from './support/redis-cpu.ts';
import { median, ms, saveJson, say, table } from './support/report.ts';

const { values } = parseArgs({
  options: {
    builds: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'string' },
  },
});
const count = Number(values.builds);
const rounds = Number(values.rounds);
if (!(count >= 100 && rounds >= 1)) throw new RangeError('--builds: expected at least 100; --rounds: at least 1');

const PIPELINE = 200;
const PURGE_BATCH = 1_000;
const PLAIN_BYTES = 400;
const READS = 200;
const PAGE = 50;
const DAY_MS = 24 * 3_600_000;
const LOG_BYTES = 2_048;
const STEP_TIMEOUT_MS = 30 * 60_000;

interface Latencies {
  readonly list: number;
  readonly get: number;
  readonly placement: number;
}

interface Round {
  /** Redis memory of each build, bytes. */
  readonly wholeBytes: number;
  readonly archivedBytes: number;
  /** Size in the blob store per build, bytes. */
  readonly documentBytes: number;
  /** Builds per minute. */
  readonly archived: number;
  readonly purged: number;
  readonly cleared: number;
  /** Plain values per minute: SET and DEL of each, DEL of each. */
  readonly plainMoves: number;
  readonly plainDeletes: number;
  /** CPU time of Redis per build, ms: for its life from accept to end, to archive it, to purge it. */
  readonly lifeCpu: number;
  readonly archiveCpu: number;
  readonly purgeCpu: number;
  /** Medians, ms. */
  readonly whole: Latencies;
  readonly packed: Latencies;
}

/** Memory that Redis uses, bytes, without the event stream, whose size is bounded. */
async function used({ redis, keys }: State): Promise<number> {
  const [, bytes] = /used_memory:(\d+)/.exec(await redis.info('memory')) ?? [];
  return Number(bytes) - Number((await redis.memory('USAGE', keys.events())) ?? 0);
}

/** Runs `work` on `of` items. Returns the rate per minute. */
async function perMinute(work: () => Promise<unknown>, of: number = count): Promise<number> {
  const from = performance.now();
  await work();
  return (of * 60_000) / (performance.now() - from);
}

async function latencies(api: ApiAlone, ids: readonly string[]): Promise<Latencies> {
  const headers = { authorization: `Bearer ${api.token}` };
  const timed = async (path: (n: number) => string) => {
    const taken: number[] = [];
    for (let n = 0; n < READS; n += 1) {
      const from = performance.now();
      const answer = await fetch(api.url + path(n), { headers });
      await answer.arrayBuffer();
      if (answer.status !== 200) throw new Error(`${path(n)}: status ${answer.status}`);
      taken.push(performance.now() - from);
    }
    return median(taken);
  };
  const some = (n: number) => ids[(n * 7919) % ids.length] ?? '';
  return {
    list: await timed((n) => `/v1/builds?limit=${PAGE}&cursor=${some(n)}`),
    get: await timed((n) => `/v1/builds/${some(n)}`),
    placement: await timed((n) => `/v1/builds/${some(n)}/placement`),
  };
}

async function plain(state: State, moves: boolean): Promise<void> {
  const value = Buffer.alloc(PLAIN_BYTES, 'x');
  for (let i = 0; i < count; i += PIPELINE) {
    const asking = state.redis.pipeline();
    for (let n = i; n < Math.min(count, i + PIPELINE); n += 1) {
      if (moves) asking.set(`${state.keys.prefix}plain:${n}:b`, value);
      asking.del(`${state.keys.prefix}plain:${n}:a`);
    }
    await asking.exec();
  }
}

async function fillPlain(state: State): Promise<void> {
  const value = Buffer.alloc(PLAIN_BYTES, 'x');
  const asking = state.redis.pipeline();
  for (let n = 0; n < count; n += 1) asking.set(`${state.keys.prefix}plain:${n}:a`, value);
  await asking.exec();
}

async function dropPlain(state: State): Promise<void> {
  const asking = state.redis.pipeline();
  for (let n = 0; n < count; n += 1) asking.unlink(`${state.keys.prefix}plain:${n}:b`);
  await asking.exec();
}

async function sizeBelow(blobs: FsBlobStore, prefix: string): Promise<number> {
  let bytes = 0;
  for await (const { sizeBytes } of blobs.list(prefix)) bytes += sizeBytes;
  return bytes;
}

/** Writes logs, two blobs per build, that are older than their retention. */
async function oldLogs(dir: string): Promise<void> {
  await mkdir(join(dir, 'logs'), { recursive: true });
  const old = new Date(Date.now() - 40 * DAY_MS);
  for (let n = 0; n < count; n += 1) {
    for (const end of ['ndjson.gz', 'index.json']) {
      const path = join(dir, 'logs', `old${n}-1.${end}`);
      await writeFile(path, Buffer.alloc(LOG_BYTES));
      await utimes(path, old, old);
    }
  }
}

async function round(): Promise<Round> {
  await using redis = await TestRedis.start();
  const dir = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  try {
    await using state = await openState({
      ...{ redisUrl: redis.url, namespace: 'kiln', secretKey: Buffer.alloc(32, 1) },
      onError: () => {},
    });
    return await measure(state, redis, dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function measure(state: State, redis: TestRedis, dir: string): Promise<Round> {
  const blobs = new FsBlobStore(dir);
  const given = { redis, blobDir: dir };
  const ended = () => state.redis.zcard(state.keys.ended());
  await endedBuilds(state, 1);
  const empty = await used(state);
  const cpu = async (since = 0) => (await redisCpuMs(state.redis)) - since;
  const beforeLife = await cpu();
  const ids = await endedBuilds(state, count);
  const lifeCpu = (await cpu(beforeLife)) / count;
  const wholeBytes = ((await used(state)) - empty) / count;
  const whole = await (async () => {
    await using api = await apiAlone({ KILN_BUILD_ARCHIVE_MINUTES: '100000' }, given);
    return await latencies(api, ids);
  })();
  await fillPlain(state);
  const plainMoves = await perMinute(() => plain(state, true));
  await dropPlain(state);
  const beforeArchive = await cpu();
  await using api = await apiAlone({ KILN_BUILD_ARCHIVE_MINUTES: '0' }, given);
  await until('the first blob is written', async () => (await ended()) <= count, STEP_TIMEOUT_MS, 1);
  // The time until the first blob does not count.
  const archived = await perMinute(
    () => until('all builds are archived', async () => (await ended()) === 0, STEP_TIMEOUT_MS, 5),
    await ended(),
  );
  const archiveCpu = (await cpu(beforeArchive)) / count;
  const archivedBytes = ((await used(state)) - empty) / count;
  const packed = await latencies(api, ids);
  const documentBytes = (await sizeBelow(blobs, 'history')) / count;
  await fillPlain(state);
  const plainDeletes = await perMinute(() => plain(state, false));
  const beforePurge = await cpu();
  const purged = await perMinute(async () => {
    while ((await state.history.purge(Date.now(), PURGE_BATCH)) === PURGE_BATCH);
  });
  const purgeCpu = (await cpu(beforePurge)) / count;
  if ((await state.builds.list({}, { limit: 1 })).builds.length > 0) throw new Error('some builds were not purged');
  await oldLogs(dir);
  await using janitor = await apiAlone({}, given);
  void janitor;
  const old = async () => (await Array.fromAsync(blobs.list('logs'))).length;
  const oldLeft = await old();
  const isCleared = async () => (await old()) === 0;
  const cleared = await perMinute(() => until('the old logs are deleted', isCleared, STEP_TIMEOUT_MS, 20), oldLeft / 2);
  return {
    ...{ lifeCpu, archiveCpu, purgeCpu },
    wholeBytes,
    archivedBytes,
    documentBytes,
    archived,
    purged,
    cleared,
    plainMoves,
    plainDeletes,
    whole,
    packed,
  };
}

const all: Round[] = [];
for (let n = 1; n <= rounds; n += 1) {
  all.push(await round());
  const last = all.at(-1);
  say(`  round ${n} of ${rounds}: ${last?.wholeBytes.toFixed(0)} → ${last?.archivedBytes.toFixed(0)} bytes each`);
}

const of = (figure: (one: Round) => number) => median(all.map(figure));
const figure = (pick: (one: Round) => number) => of(pick).toFixed(0);
say(`\n${count} ended builds, ${cpus().length} cores for all processes; median of ${rounds} rounds\n`);
say(
  table([
    ['Redis memory of an ended build', 'bytes'],
    ['whole, for its first minutes', figure((one) => one.wholeBytes)],
    ['archived', figure((one) => one.archivedBytes)],
    ['its document in the blob store', figure((one) => one.documentBytes)],
  ]),
);
say();
say(
  table([
    ['', 'per minute', 'relative to plain values'],
    [
      'archived by an API process',
      figure((one) => one.archived),
      of((one) => one.archived / one.plainMoves).toFixed(3),
    ],
    ['  a plain value: SET, DEL', figure((one) => one.plainMoves), '1'],
    ['purged by the leader', figure((one) => one.purged), of((one) => one.purged / one.plainDeletes).toFixed(3)],
    ['  a plain value: DEL', figure((one) => one.plainDeletes), '1'],
    ['builds whose old logs were deleted, two blobs each', figure((one) => one.cleared), ''],
  ]),
);
say();
const micros = (pick: (one: Round) => number) => `${(of(pick) * 1_000).toFixed(0)} µs`;
say(
  table([
    ['CPU time of Redis per build', ''],
    ['from accept to end, without logs, queues and hosts’ reports', micros((one) => one.lifeCpu)],
    ['to archive it', micros((one) => one.archiveCpu)],
    ['to purge it', micros((one) => one.purgeCpu)],
  ]),
);
say();
const row = (name: string, pick: (one: Latencies) => number) => [
  name,
  ms(of(({ whole }) => pick(whole))),
  ms(of(({ packed }) => pick(packed))),
];
say(
  table([
    ['median over HTTP', 'whole', 'archived'],
    row(`a list of ${PAGE}`, ({ list }) => list),
    row('a build', ({ get }) => get),
    row('its placement', ({ placement }) => placement),
  ]),
);
await saveJson(values.json, { builds: count, cores: cpus().length, rounds: all });
