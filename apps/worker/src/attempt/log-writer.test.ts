import type { LogRecord } from '@kiln/contracts';
import { LogBehind, StaleAttempt } from '@kiln/state';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LogWriter } from './log-writer.ts';

const REF = { buildId: 'b', attempt: 1, host: 'h', incarnation: 'i' };
const record = (n: number, size = 10): LogRecord => ({ t: n, type: 'note', message: 'x'.repeat(size) });

/** A log that checks the numbering of records, and whose appends the test can hold or refuse. */
class FakeLog {
  readonly batches: string[][] = [];
  next = 1;
  hold: Promise<void> | undefined;
  refuse = false;

  append = async (_ref: unknown, firstSeq: number, lines: readonly string[]): Promise<void> => {
    await this.hold;
    if (this.refuse) throw new StaleAttempt('b', 1);
    if (firstSeq > this.next) throw new LogBehind(REF, this.next - 1, firstSeq);
    expect(firstSeq).toBe(this.next);
    this.next += lines.length;
    this.batches.push([...lines]);
  };

  get times(): number[] {
    return this.batches.flat().map((line) => (JSON.parse(line) as LogRecord).t);
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('if Redis has lost records, the writer', () => {
  async function afterLoss(written: number, size: number, kept: number): Promise<FakeLog> {
    const log = new FakeLog();
    const writer = new LogWriter(log, REF);
    for (let n = 1; n <= written; n++) {
      void writer.write(record(n, size));
      await writer.flush();
    }
    log.batches.length = kept;
    log.next = kept + 1;
    void writer.write(record(written + 1, size));
    await writer.flush();
    return log;
  }

  test('sends them again', async () => {
    expect((await afterLoss(9, 10, 4)).times).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test('replaces the oldest by notes without gaps in the numbering, if too many are lost', async () => {
    const { times } = await afterLoss(40, 64 * 1024, 2);
    expect(times).toHaveLength(41);
    expect(times.slice(0, 3)).toEqual([1, 2, 0]);
    const again = times.lastIndexOf(0) + 1;
    expect(times.slice(again)).toEqual(Array.from({ length: 41 - again }, (_, i) => again + i + 1));
    expect(41 - again).toBeGreaterThan(10);
  });
});

describe('LogWriter', () => {
  test('sends the first record at once after a quiet time, then gathers for at most 25 ms', async () => {
    const log = new FakeLog();
    const writer = new LogWriter(log, REF);
    await vi.advanceTimersByTimeAsync(1_000);
    writer.write(record(1));
    writer.write(record(2));
    await vi.advanceTimersByTimeAsync(1);
    expect(log.times).toEqual([1, 2]);
    writer.write(record(3));
    await vi.advanceTimersByTimeAsync(20);
    expect(log.times).toEqual([1, 2]);
    await vi.advanceTimersByTimeAsync(5);
    expect(log.times).toEqual([1, 2, 3]);
  });

  test('sends a batch at once when it has 64 KiB', async () => {
    const log = new FakeLog();
    const writer = new LogWriter(log, REF);
    await vi.advanceTimersByTimeAsync(1_000);
    writer.write(record(0));
    await vi.advanceTimersByTimeAsync(1);
    for (let n = 1; n <= 70; n++) void writer.write(record(n, 1024));
    await vi.advanceTimersByTimeAsync(0);
    expect(log.batches[1]?.join('').length).toBeGreaterThanOrEqual(64 * 1024);
    await writer.flush();
    expect(log.times).toEqual(Array.from({ length: 71 }, (_, n) => n));
  });

  test('holds the build up while Redis accepts no writes, and loses nothing', async () => {
    const log = new FakeLog();
    let release = () => {};
    log.hold = new Promise((resolve) => {
      release = resolve;
    });
    const writer = new LogWriter(log, REF);
    let waiting: undefined | Promise<void>;
    let n = 0;
    while (!waiting && n < 10_000) waiting = writer.write(record(n++, 4096)) ?? undefined;
    expect(n).toBeLessThan(300);
    release();
    await waiting;
    await writer.flush();
    expect(log.times).toEqual(Array.from({ length: n }, (_, i) => i));
  });

  test('repeats a failed write until it succeeds, whatever the reason, even if Redis had accepted it', async () => {
    const log = new FakeLog();
    const { append } = log;
    const failures = ['OOM', 'lost', 'ECONNRESET', 'unknown'];
    log.append = async (ref, firstSeq, lines) => {
      const failure = failures.shift();
      if (failure === 'lost') await append(ref, firstSeq, lines);
      if (failure !== undefined) throw Object.assign(new Error(failure), { name: 'ReplyError' });
      // The store ignores a batch that it already has.
      if (firstSeq < log.next) return;
      await append(ref, firstSeq, lines);
    };
    const writer = new LogWriter(log, REF);
    for (let n = 1; n <= 100; n += 1) void writer.write(record(n, 2_000));
    const flushed = writer.flush();
    await vi.advanceTimersByTimeAsync(10_000);
    await flushed;
    expect(failures).toEqual([]);
    expect(log.times).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  });

  test('refuses every later write with the error of a refused one', async () => {
    const log = new FakeLog();
    log.refuse = true;
    const writer = new LogWriter(log, REF);
    writer.write(record(1));
    await expect(writer.flush()).rejects.toThrow(StaleAttempt);
    expect(() => writer.write(record(2))).toThrow(StaleAttempt);
  });

  test('writes any sequence of records and pauses once, in order, in numbered batches', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(3_000), fc.nat(40)), { maxLength: 80 }), async (steps) => {
        const log = new FakeLog();
        const writer = new LogWriter(log, REF);
        for (const [i, [size, pause]] of steps.entries()) {
          await writer.write(record(i, size));
          await vi.advanceTimersByTimeAsync(pause);
        }
        await writer.flush();
        expect(log.times).toEqual(steps.map((_, i) => i));
      }),
      { numRuns: 50 },
    );
  });
});

describe('with a limited log, the writer', () => {
  const output = (n: number): LogRecord =>
    ({ t: n, type: 'output', step: 1, stream: 1, text: 'x'.repeat(100) }) as never;

  test('omits output beyond the limit with one note, and still writes other records', async () => {
    const log = new FakeLog();
    const line = Buffer.byteLength(JSON.stringify(output(1)));
    const writer = new LogWriter(log, REF, 3 * line);
    for (let n = 1; n <= 6; n += 1) writer.write(output(n));
    writer.write(record(7));
    writer.write({ t: 8, type: 'output' } as never);
    await writer.flush();
    const records = log.batches.flat().map((text) => JSON.parse(text) as LogRecord);
    expect(records.map(({ t, type }) => [t, type])).toEqual([
      ...[1, 2, 3].map((t) => [t, 'output']),
      [4, 'note'],
      [7, 'note'],
    ]);
    expect(records[3]).toMatchObject({ message: expect.stringContaining(`limit of ${3 * line} bytes`) });
  });

  test('marks records as the last ones from the flush on, including those in flight', async () => {
    const log = new FakeLog();
    const asked: (() => boolean)[] = [];
    const held = Promise.withResolvers<void>();
    log.hold = held.promise;
    const append: ConstructorParameters<typeof LogWriter>[0]['append'] = (ref, firstSeq, lines, options) => {
      asked.push(options?.isLast ?? (() => false));
      return log.append(ref, firstSeq, lines);
    };
    const writer = new LogWriter({ append }, REF);
    writer.write(record(1));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(asked.map((isLast) => isLast())).toEqual([false]);
    writer.write(record(2));
    const flushed = writer.flush();
    expect(asked.map((isLast) => isLast())).toEqual([true]);
    held.resolve();
    await flushed;
    expect(asked.map((isLast) => isLast())).toEqual([true, true]);
    expect(log.times).toEqual([1, 2]);
  });
});
