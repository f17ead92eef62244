import { randomBytes } from 'node:crypto';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createZstdDecompress } from 'node:zlib';
import { KilnProblem, KilnUnreachable } from '@kiln/client';
import { digestOf } from '@kiln/trees';
import { describe, expect, it } from 'vitest';
import { PartStore } from '../../testing/part-store.ts';
import { encodedContext } from '../../testing/send-to.ts';
import { TempDir } from '../../testing/temp-dir.ts';
import { readLocalContext } from '../local-context.ts';
import type { ContentEncoding } from './compression.ts';
import { sendContext, type TreeCalls } from './send-context.ts';

const readDir = (dir: TempDir) => readLocalContext({ cwd: dir.path, path: '.', dockerfile: undefined });

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** What buffers and threads take, in bytes; exact if it seems to be more than `limit`. */
function memoryOutsideHeap(limit = 0): number {
  // What isn't used any more counts until it is collected, at no particular time.
  if (process.memoryUsage().external > limit) collectGarbage();
  return process.memoryUsage().external;
}

interface Upload {
  readonly encoding: ContentEncoding;
  bytes: number;
}

/** The calls of an API with this store. Each upload is cut off after so many bytes as `cuts` has for it. */
function callsOf(store: PartStore, cuts: number[] = []) {
  const uploads: Upload[] = [];
  const questions: number[] = [];
  const calls: TreeCalls = {
    missing: async (parts) => {
      questions.push(parts.directories.length + parts.files.length);
      return store.missing(parts);
    },
    store: async (body, encoding) => {
      const upload = { encoding, bytes: 0 };
      uploads.push(upload);
      const cut = cuts.shift() ?? Number.POSITIVE_INFINITY;
      async function* received(): AsyncGenerator<Uint8Array> {
        for await (const chunk of body) {
          const left = cut - upload.bytes;
          upload.bytes += chunk.length;
          yield chunk.subarray(0, left);
          if (chunk.length > left) return;
        }
      }
      try {
        const stream = Readable.from(received());
        await store.store(encoding === 'zstd' ? stream.compose(createZstdDecompress()) : stream);
      } catch (error) {
        throw upload.bytes > cut ? new KilnUnreachable('http://api', error) : error;
      }
    },
  };
  return { calls, uploads, questions };
}

describe('sendContext', () => {
  it('asks once and sends nothing if all is there', async () => {
    await using dir = await TempDir.with({ Dockerfile: 'FROM x', 'a/b': '1' });
    const context = await encodedContext(await readDir(dir));
    const store = new PartStore();
    const first = callsOf(store);
    expect(await sendContext(first.calls, { context, others: [] })).toMatchObject({ files: 2 });
    const second = callsOf(store);
    expect(await sendContext(second.calls, { context, others: [] })).toEqual({ files: 0, bytes: 0 });
    expect(second).toMatchObject({ questions: [1], uploads: [] });
  });

  it('compresses where that pays, and counts what the connection took', async () => {
    await using dir = await TempDir.with({ Dockerfile: 'FROM x\n'.repeat(10_000), 'a/text': 'text '.repeat(100_000) });
    const store = new PartStore();
    const { calls, uploads } = callsOf(store);
    const progress: number[][] = [];
    const onProgress = (...each: number[]) => progress.push(each);
    const sent = await sendContext(calls, {
      context: await encodedContext(await readDir(dir)),
      others: [],
      onProgress,
    });
    expect(uploads).toEqual([{ encoding: 'zstd', bytes: sent.bytes }]);
    expect(sent.bytes).toBeLessThan(5_000);
    expect(progress[0]).toEqual([0, 570_000]);
    expect(progress.at(-1)).toEqual([570_000, 570_000]);
  });

  it('goes on where an upload was cut off, also in the middle of a file', async () => {
    await using dir = await TempDir.with({ Dockerfile: 'FROM x', 'a/small': '1' });
    const [one, two] = [randomBytes(600_000), randomBytes(3_000_000)];
    await writeFile(join(dir.path, 'a/large'), one);
    await writeFile(join(dir.path, 'b'), two);
    const context = await encodedContext(await readDir(dir));
    const store = new PartStore();
    const { calls, uploads } = callsOf(store, [10, 300_000, 2_000_000]);
    const retries: unknown[] = [];
    const sent = await sendContext(calls, { context, others: [], onRetry: (error) => retries.push(error) });
    expect(retries).toHaveLength(3);
    expect(store.files.get(digestOf(two))?.equals(two)).toBe(true);
    expect((await store.list(context.digest)).map(({ path }) => path)).toEqual([
      'Dockerfile',
      'a',
      'a/large',
      'a/small',
      'b',
    ]);
    // Each of the cuts lost no more than what was on its way.
    expect(sent.bytes).toBe(uploads.reduce((sum, { bytes }) => sum + bytes, 0));
    expect(sent.bytes - one.length - two.length).toBeLessThan(1_000_000);
    expect(uploads.at(-1)?.bytes).toBeLessThan(2_000_000);
  });

  it('sends a file from its start to an API process that does not have its beginning', async () => {
    await using dir = await TempDir.with({ Dockerfile: 'FROM x' });
    const large = randomBytes(1_000_000);
    await writeFile(join(dir.path, 'large'), large);
    const context = await encodedContext(await readDir(dir));
    const [here, there] = [new PartStore(), new PartStore()];
    here.beginnings.set(digestOf(large), large.subarray(0, 500_000));
    const { calls, uploads } = callsOf(there);
    const problem = {
      type: 'x',
      title: 'x',
      status: 422,
      code: 'tree_incomplete' as const,
      detail: 'no beginning',
      errors: [],
    };
    const divided: TreeCalls = {
      missing: async (parts) => here.missing(parts),
      store: (body, encoding) =>
        calls.store(body, encoding).catch((error: Error) => {
          throw error.message.startsWith('no 500000 bytes') ? new KilnProblem(problem) : error;
        }),
    };
    const retries: unknown[] = [];
    await sendContext(divided, { context, others: [], onRetry: (error) => retries.push(error) });
    expect(retries).toHaveLength(1);
    expect(uploads).toHaveLength(2);
    expect(there.files.get(digestOf(large))?.equals(large)).toBe(true);
  });

  it('gives up when nothing gets through, and at once when the server refuses', async () => {
    await using dir = await TempDir.with({ Dockerfile: 'FROM x' });
    const context = await encodedContext(await readDir(dir));
    const { calls, uploads } = callsOf(new PartStore(), [0, 0, 0, 0, 0, 0, 0]);
    await expect(sendContext(calls, { context, others: [], giveUpAfterMs: 100 })).rejects.toThrow(
      "http://api can't be reached",
    );
    expect(uploads.length).toBeGreaterThan(1);
    const refusing = { ...calls, missing: () => Promise.reject(new Error('refused')) };
    await expect(sendContext(refusing, { context, others: [] })).rejects.toThrow('refused');
  });

  it.each(['small', 'large'])('never sends a %s file that has changed since it was hashed', async (size) => {
    const text = size === 'small' ? 'one' : 'one'.repeat(500_000);
    await using dir = await TempDir.with({ Dockerfile: 'FROM x', a: text });
    const context = await encodedContext(await readDir(dir));
    for (const changed of [text.replace(/e$/, 'E'), text.slice(1), `${text}!`.replace(/^o/, 'O')]) {
      await writeFile(join(dir.path, 'a'), changed);
      const store = new PartStore();
      const sending = sendContext(callsOf(store).calls, { context, others: [] });
      await expect(sending).rejects.toMatchObject({ name: 'ContextChanged', path: join(dir.path, 'a') });
      expect([...store.files.keys()]).not.toContain(digestOf(Buffer.from(text)));
      expect(store.directories.size).toBe(0);
    }
  });

  it('reads and sends a huge file in memory that does not depend on its size', async () => {
    await using dir = await TempDir.with({ Dockerfile: 'FROM x', huge: '' });
    const bytes = 250_000_000;
    // Sparse, so that it takes no space.
    await truncate(join(dir.path, 'huge'), bytes);
    const limit = 100_000_000;
    const usedBefore = memoryOutsideHeap();
    const usedNow = () => memoryOutsideHeap(usedBefore + limit) - usedBefore;
    let used = 0;
    let read = 0;
    const calls: TreeCalls = {
      missing: async ({ directories, files }) => ({
        directories,
        files: files.map((digest) => ({ digest, storedBytes: 0 })),
      }),
      store: async (body) => {
        for await (const chunk of body) if (chunk.length > 0) used = Math.max(used, usedNow());
      },
    };
    const onProgress = (contentBytes: number) => {
      read = contentBytes;
      used = Math.max(used, usedNow());
    };
    await sendContext(calls, { context: await encodedContext(await readDir(dir)), others: [], onProgress });
    expect(read).toBe(bytes + 6);
    expect(used).toBeLessThan(limit);
  });

  it('sends the file of the times, also if the tree is there', async () => {
    await using dir = await TempDir.with({ Dockerfile: 'FROM x' });
    const context = await encodedContext(await readDir(dir));
    const store = new PartStore();
    await sendContext(callsOf(store).calls, { context, others: [] });
    const bytes = Buffer.alloc(8, 1);
    const times = { digest: digestOf(bytes), bytes };
    expect(await sendContext(callsOf(store).calls, { context, others: [times] })).toMatchObject({ files: 0 });
    expect(store.files.get(times.digest)).toEqual(bytes);
  });
});
