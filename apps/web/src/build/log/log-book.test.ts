import type { IdentifiedLogRecord, LogRecord } from '@kiln/contracts';
import { expect, test } from 'vitest';
import { LogBook } from './log-book.ts';

function bookOf(...attempts: readonly (readonly LogRecord[])[]): LogBook {
  const book = new LogBook();
  for (const [i, records] of attempts.entries()) {
    for (const [j, record] of records.entries())
      book.add({ ...record, id: `${i + 1}.${j + 1}` } as IdentifiedLogRecord);
  }
  return book;
}

const step = (n: number, state: 'started' | 'completed' | 'cached' | 'failed', t: number, ms?: number): LogRecord => ({
  ...{ t, type: 'step', step: n, name: `[${n}/2] RUN ${n}`, state },
  ...(ms !== undefined && { ms }),
});
const output = (n: number, t: number, data: string): LogRecord => ({
  t,
  type: 'output',
  step: n,
  stream: 'stdout',
  data,
});

test('a log has the lines that the command prints, and tells which are of a step', () => {
  const book = bookOf([
    { t: 0, type: 'note', message: 'on h1' },
    step(1, 'cached', 10, 0),
    step(2, 'started', 20),
    output(2, 30, 'one\ntwo\n'),
    step(2, 'failed', 50, 30),
    { t: 60, type: 'end', state: 'failed', failure: { code: 'step_failed', message: 'it failed' } },
  ]);
  expect(book.lines).toEqual([
    'kiln: on h1',
    '#1 [1/2] RUN 1',
    '#1 CACHED',
    '',
    '#2 [2/2] RUN 2',
    '#2 0.010 one',
    '#2 0.010 two',
    '#2 ERROR: failed',
    '',
    'kiln: failed: it failed [step_failed]',
  ]);
  expect([...book.steps.values()]).toEqual([
    expect.objectContaining({ number: 1, state: 'cached', startedAt: 10, endedAt: 10, line: 1, lastLine: 2 }),
    expect.objectContaining({ number: 2, state: 'failed', startedAt: 20, endedAt: 50, line: 3, lastLine: 7 }),
  ]);
  expect(book.isOver).toBe(true);
});

test('each attempt has steps of its own; the log goes on until the last one has ended', () => {
  const first = [step(1, 'started', 10), { t: 20, type: 'end', state: 'queued' }] as const;
  const book = bookOf(first);
  expect(book.isOver).toBe(false);
  const both = bookOf(first, [
    step(1, 'started', 110),
    step(1, 'completed', 130, 20),
    { t: 140, type: 'end', state: 'succeeded' },
  ]);
  expect([...both.steps.keys()]).toEqual(['1.1', '2.1']);
  expect(both.steps.get('2.1')).toMatchObject({ startedAt: 110, endedAt: 130 });
  expect(both.isOver).toBe(true);
});

test('a line is shown when it is complete, and the rest of a step when it ends', () => {
  const book = bookOf([step(1, 'started', 0), output(1, 1, 'half')]);
  expect(book.lines).toEqual(['#1 [1/2] RUN 1']);
  book.add({ ...output(1, 2, ' and half\nrest'), id: '1.3' });
  book.add({ ...step(1, 'completed', 3, 3), id: '1.4' });
  expect(book.lines.slice(1)).toEqual(['#1 0.001 half and half', '#1 0.002 rest', '#1 DONE 0.0s']);
});
