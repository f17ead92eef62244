import { Readable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import { logKey } from '@kiln/contracts';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { LogArchiver } from '../logs/log-archiver.ts';
import { FakePool, until } from '../testing/fake-pool.ts';
import { MemoryBlobs } from '../testing/memory-blobs.ts';
import { pruneBlobs } from './prune-blobs.ts';
import { repeat } from './repeat.ts';

const quiet = pino({ level: 'silent' });
const { signal } = new AbortController();

describe('pruneBlobs', () => {
  test('deletes blobs that have been unused for longer than their retention', async () => {
    const blobs = new MemoryBlobs();
    const put = async (key: string, usedAt: number) => {
      blobs.now = usedAt;
      await blobs.put(key, Readable.from(['x']));
    };
    for (const kind of ['logs', 'contexts', 'artifacts']) for (const at of [0, 50, 100]) await put(`${kind}/${at}`, at);
    const retention = { logRetentionMs: 10, contextRetentionMs: 60, artifactRetentionMs: 1000, tempRetentionMs: 0 };
    expect(await pruneBlobs(blobs, retention, 100, quiet, signal)).toBe(3);
    expect([...blobs.held.keys()]).toEqual([
      'logs/100',
      'contexts/50',
      'contexts/100',
      'artifacts/0',
      'artifacts/50',
      'artifacts/100',
    ]);
  });
});

describe('the log archiver', () => {
  test('writes NDJSON that any gzip reads, line n being record n', async () => {
    const pool = new FakePool();
    const blobs = new MemoryBlobs();
    pool.apply({ type: 'assign', host: 'h', incarnation: 'i' });
    for (let i = 0; i < 50; i += 1)
      pool.append(1, [
        { t: i, type: 'note', message: 'x'.repeat(20_000) },
        { t: i, type: 'note', message: 'ü' },
      ]);
    pool.apply({ type: 'finish', attempt: 1, incarnation: 'i', outcome: { end: 'succeeded' } });
    const stream = (pool.streams.get(1) ?? []).flatMap(({ lines }) => lines);
    expect(await new LogArchiver(pool.logs, blobs, quiet).round(signal)).toEqual({ archived: 1, claimed: 0 });
    const packed = blobs.held.get(logKey(pool.id, 1))?.bytes ?? Buffer.alloc(0);
    expect(gunzipSync(packed).toString()).toBe(stream.map((line) => `${line}\n`).join(''));
    expect(pool.archived).toEqual(new Set([1]));
  });

  test('replaces an archived log of the same number that Redis has forgotten, as after a restored backup', async () => {
    const blobs = new MemoryBlobs();
    for (const message of ['forgotten', 'again']) {
      const pool = new FakePool();
      pool.apply({ type: 'assign', host: 'h', incarnation: 'i' });
      for (let t = 0; t < message.length; t++) pool.append(1, [{ t, type: 'note', message }]);
      pool.apply({ type: 'finish', attempt: 1, incarnation: 'i', outcome: { end: 'failed' } });
      expect(await new LogArchiver(pool.logs, blobs, quiet).round(signal)).toEqual({ archived: 1, claimed: 0 });
      const packed = blobs.held.get(logKey(pool.id, 1))?.bytes ?? Buffer.alloc(0);
      expect(gunzipSync(packed).toString()).toContain(message);
    }
  });

  test('leaves a failing log for a later round, and archives the others', async () => {
    const pool = new FakePool();
    const blobs = new MemoryBlobs();
    for (let i = 0; i < 2; i += 1) {
      pool.apply({ type: 'assign', host: 'h', incarnation: 'i' });
      pool.apply({ type: 'lose', attempt: i + 1, failure: { code: 'host_lost', message: 'gone' } });
    }
    const { put } = blobs;
    blobs.put = async (key, content) => {
      if (key === logKey(pool.id, 1)) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
      return put.call(blobs, key, content);
    };
    let now = 0;
    const archiver = new LogArchiver(pool.logs, blobs, quiet, () => now);
    expect(await archiver.round(signal)).toEqual({ archived: 1, claimed: 0 });
    expect(pool.archived).toEqual(new Set([2]));
    blobs.put = put;
    expect(await archiver.round(signal)).toEqual({ archived: 0, claimed: 0 });
    now += 60_000;
    {
      await using _other = await pool.logs.claim(pool.id, 1);
      expect(await archiver.round(signal)).toEqual({ archived: 0, claimed: 1 });
    }
    expect(await archiver.round(signal)).toEqual({ archived: 1, claimed: 0 });
  });
});

describe('repeat', () => {
  test('never runs twice at a time, runs again when asked meanwhile, survives failures, and ends with its work', async () => {
    let running = 0;
    let runs = 0;
    let finish: (() => void) | undefined;
    const work = async () => {
      running += 1;
      runs += 1;
      expect(running).toBe(1);
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      running -= 1;
      if (runs === 1) throw new Error('once');
    };
    const repeating = repeat('test', 3_600_000, work, quiet);
    repeating.now();
    repeating.now();
    finish?.();
    await until(() => runs === 2);
    const ended = repeating[Symbol.asyncDispose]();
    repeating.now();
    finish?.();
    await ended;
    expect([runs, running]).toEqual([2, 0]);
  });
});
