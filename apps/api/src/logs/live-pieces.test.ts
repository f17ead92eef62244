import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { setImmediate as turn } from 'node:timers/promises';
import { createGunzip } from 'node:zlib';
import { FsBlobStore } from '@kiln/blobs';
import { type LogRecord, logKey, logPieceKey } from '@kiln/contracts';
import { TestRedis } from '@kiln/state/testing';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { PATIENT } from '../testing/patient.ts';
import { TestApi, type TestAttempt } from '../testing/test-api.ts';
import { ArchivedLogs } from './archived-logs.ts';
import { LogMover } from './log-mover.ts';
import { prunePieces } from './prune-pieces.ts';

const KIB = 1024;
const LOG_BYTES = 32 * KIB;
const quiet = pino({ level: 'silent' });
let redis: TestRedis;
let blobDir: string;

beforeAll(async () => {
  redis = await TestRedis.start();
  blobDir = await mkdtemp(join(tmpdir(), 'kiln-pieces-'));
});
afterAll(async () => {
  await redis[Symbol.asyncDispose]();
  await rm(blobDir, { recursive: true, force: true });
});

/** Starts API processes of one pool, with live logs so small that pieces move all the time. */
async function processes(count: number, namespace: string, config = {}): Promise<[TestApi, ...TestApi[]]> {
  const small = { liveLogBytes: LOG_BYTES, logMoveIntervalMs: 2, logRingBytes: 4 * KIB, logPageCacheBytes: 16 * KIB };
  const all: TestApi[] = [];
  for (let i = 0; i < count; i += 1) {
    const api = await TestApi.start({ ...small, ...config }, { redis, blobDir, namespace });
    onTestFinished(() => api[Symbol.asyncDispose]());
    all.push(api);
  }
  return all as [TestApi, ...TestApi[]];
}

const line = (n: number): LogRecord => ({
  ...{ t: n, type: 'output', step: 1, stream: 'stdout' },
  data: `${n} ${'x'.repeat(n % 300)}\n`,
});

/** Prints records `from` to `to`, in batches of 1 to 9. */
async function print(attempt: TestAttempt, from: number, to: number): Promise<void> {
  for (let next = from; next <= to; ) {
    const size = Math.min(1 + (next % 9), to - next + 1);
    await attempt.log(...Array.from({ length: size }, (_, i) => line(next + i)));
    next += size;
  }
}

/** The numbers of all records that a watcher gets after record `after`. A slow one rests for `rest` turns after each chunk. */
async function watch(api: TestApi, id: string, after: number, rest = 0): Promise<number[]> {
  const answer = await api.fetch(`/v1/builds/${id}/logs?format=ndjson&after=1.${after}`);
  expect(answer.status).toBe(200);
  let kept = '';
  const decoder = new TextDecoder();
  for await (const bytes of answer.body ?? []) {
    kept += decoder.decode(bytes, { stream: true });
    for (let i = 0; i < rest; i += 1) await turn();
  }
  return kept
    .trimEnd()
    .split('\n')
    .map((json) => Number((JSON.parse(json) as { id: string }).id.slice(2)));
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

test('readers at every position in several processes see no gap, no repeat and no reordering while pieces move', async () => {
  const COUNT = 2_400;
  const apis = await processes(2, 'readers');
  const [api] = apis;
  const { id } = await api.submit();
  const attempt = await api.run(id);
  const watchers: Promise<{ after: number; got: number[] }>[] = [];
  const add = (after: number, rest: number) => {
    const at = apis[watchers.length % apis.length] ?? api;
    watchers.push(watch(at, id, after, rest).then((got) => ({ after, got })));
  };
  let mostInRedis = 0;
  for (let printed = 0; printed < COUNT; ) {
    // From the first line, from the last one, and from positions in between.
    for (const share of [0, 0.3, 0.7, 1]) add(Math.floor(share * printed), watchers.length % 4 === 3 ? 20 : 0);
    await print(attempt, printed + 1, printed + 400);
    printed += 400;
    mostInRedis = Math.max(mostInRedis, (await api.state.memory.read({ logBytes: 0 })).logs.bytes);
  }
  const pieces = await api.state.logs.pieces(id, 1);
  expect(pieces.length).toBeGreaterThan(5);
  await attempt.settle({ end: 'succeeded' });

  for (const { after, got } of await Promise.all(watchers)) expect(got).toEqual(range(after + 1, COUNT + 1));
  expect(mostInRedis).toBeLessThan(2 * LOG_BYTES);

  // The archive is one file as without pieces, and the pieces are gone.
  await expect.poll(() => api.state.logs.unarchived(1), PATIENT).toEqual([]);
  const packed = await text(createReadStream(join(blobDir, logKey(id, 1))).pipe(createGunzip()));
  expect(
    packed
      .trimEnd()
      .split('\n')
      .slice(0, -1)
      .map((json) => JSON.parse(json) as LogRecord),
  ).toEqual(range(1, COUNT).map(line));
  const pieceFiles = async () => (await readdir(join(blobDir, 'logs'))).filter((name) => name.endsWith('.piece'));
  await expect.poll(pieceFiles, PATIENT).toEqual([]);
  for (const after of [0, 1, 1_234, COUNT]) expect(await watch(api, id, after)).toEqual(range(after + 1, COUNT + 1));
});

describe('a process that dies', () => {
  const dead = { logMoveIntervalMs: 1e9, archiveIntervalMs: 1e9 };

  test('after writing a piece and before recording it leaves the records to another one, and its blob is deleted', async () => {
    const [api] = await processes(1, 'dies', dead);
    const { logs } = api.state;
    const { id } = await api.submit();
    const attempt = await api.run(id);
    await print(attempt, 1, 60);
    const orphan = logPieceKey(id, 1, 1, 'of-the-dead');
    await api.blobs.put(orphan, Readable.from(['whatever it got to']));
    const mover = new LogMover({ logs, blobs: api.blobs, log: quiet, now: Date.now });
    const { signal } = new AbortController();
    expect(await mover.round(0, signal)).toBe(1);
    const [piece] = await logs.pieces(id, 1);
    expect(piece).toMatchObject({ firstSeq: 1 });

    const clearing = { logs, blobs: api.blobs, archive: new ArchivedLogs(api.blobs), log: quiet };
    // A piece that was written a moment ago may still be recorded.
    expect(await prunePieces(clearing, Date.now(), signal)).toBe(0);
    expect(await prunePieces(clearing, Date.now() + 2 * 3_600_000, signal)).toBe(1);
    expect(await api.blobs.stat(orphan)).toBeUndefined();
    expect(await api.blobs.stat(piece?.key ?? '')).toBeDefined();
    await attempt.settle({ end: 'succeeded' });
    expect(await watch(api, id, 0)).toEqual(range(1, 61));
  });

  test('after archiving a log and before deleting its pieces leaves them to be deleted later', async () => {
    const [api] = await processes(1, 'leaves', dead);
    const { logs } = api.state;
    const { id } = await api.submit();
    const attempt = await api.run(id);
    await print(attempt, 1, 60);
    const { signal } = new AbortController();
    await new LogMover({ logs, blobs: api.blobs, log: quiet, now: Date.now }).round(0, signal);
    const [{ key } = { key: '' }] = await logs.pieces(id, 1);
    const bytes = await buffer((await api.blobs.open(key)) ?? Readable.from([]));
    await attempt.settle({ end: 'succeeded' });
    await expect.poll(() => api.blobs.stat(key), PATIENT).toBeUndefined();
    // As if the process had died before it could delete the piece.
    await api.blobs.put(key, Readable.from([bytes]));
    const clearing = { logs, blobs: api.blobs, archive: new ArchivedLogs(api.blobs), log: quiet };
    expect(await prunePieces(clearing, Date.now() + 2 * 3_600_000, signal)).toBe(1);
    expect(await api.blobs.stat(key)).toBeUndefined();
    expect(await watch(api, id, 0)).toEqual(range(1, 61));
  });

  test('leaves the pieces of a log that Redis lost, which are all that is left of it', async () => {
    const [api] = await processes(1, 'lost', dead);
    const key = logPieceKey('01arz3ndektsv4rrffq69g5fav', 1, 1, 'last');
    await api.blobs.put(key, Readable.from(['what it has']));
    const clearing = { logs: api.state.logs, blobs: api.blobs, archive: new ArchivedLogs(api.blobs), log: quiet };
    await prunePieces(clearing, Date.now() + 2 * 3_600_000, new AbortController().signal);
    expect(await api.blobs.stat(key)).toBeDefined();
  });
});

test('a failing blob store delays only builds with large logs, not quiet ones or ends, and recovers by itself', async () => {
  const [api] = await processes(1, 'stuck', { logMoveIntervalMs: 1e9, archiveIntervalMs: 1e9 });
  const { logs, memory } = api.state;
  const full = new FsBlobStore(join(blobDir, 'stuck'));
  let isFull = true;
  const blobs = {
    put: (...args: Parameters<FsBlobStore['put']>) =>
      isFull ? Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' })) : full.put(...args),
    delete: (key: string) => full.delete(key),
  };
  let now = 0;
  const mover = new LogMover({ logs, blobs, log: quiet, now: () => now });
  const { signal } = new AbortController();
  const [loud, still] = [await api.run((await api.submit()).id), await api.run((await api.submit()).id)];
  let isDone = false;
  const printing = print(loud, 1, 1_000).then(() => {
    isDone = true;
  });
  await expect.poll(async () => (await memory.read({ logBytes: 1 })).logs.waiting, PATIENT).toBeGreaterThan(0);
  for (let round = 0; round < 5; round += 1) expect(await mover.round(LOG_BYTES / 4, signal)).toBe(0);
  await print(still, 1, 20);
  await still.settle({ end: 'succeeded' });
  expect(isDone).toBe(false);
  const ready = await (await api.fetch('/readyz')).text();
  expect(ready).toMatch(/^ready\nredis memory: .+\nlive logs: 2, .+; waiting for room: 1\n$/);

  isFull = false;
  while (!isDone) {
    now += 60_000;
    await mover.round(LOG_BYTES / 4, signal);
  }
  await printing;
  expect((await logs.pieces(loud.ref.buildId, 1)).at(-1)?.lastSeq).toBeGreaterThan(800);
});

test('when Redis is nearly full, builds and uploads are refused with 503 and Retry-After, and /readyz shows the reason', async () => {
  const [api] = await processes(1, 'full', { memoryIntervalMs: 1e9 });
  const { redis: connection, keys } = api.state;
  await connection.set(keys.memoryLevel(), 'full', 'PX', 60_000);
  const body = JSON.stringify({ source: { type: 'git', url: 'https://git.example/app' } });
  const answer = await api.post('/v1/builds', body);
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '10']);
  expect(await answer.json()).toMatchObject({ code: 'store_full' });
  await connection.del(keys.memoryLevel());
  expect((await api.post('/v1/builds', body)).status).toBe(202);
});
