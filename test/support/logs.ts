import { type IdentifiedLogRecord, parseLogId } from '@kiln/contracts';
import { expect } from 'vitest';

export type BuildLog = readonly IdentifiedLogRecord[];

/** What the steps printed. */
export function outputOf(log: BuildLog): string {
  return log.map((record) => (record.type === 'output' ? record.data : '')).join('');
}

/** Fails the test unless the log is whole: `attempts` in their order, each numbered 1..n and closed by its one `end`; the last ends the build. */
export function expectWhole(log: BuildLog, attempts: number): void {
  const positions = log.map(({ id }) => {
    const position = parseLogId(id);
    if (!position) throw new Error(`not a log id: ${id}`);
    return position;
  });
  expect([...new Set(positions.map(({ attempt }) => attempt))]).toEqual(numbers(attempts));
  for (const attempt of numbers(attempts)) {
    const records = log.filter((_, i) => positions[i]?.attempt === attempt);
    const seqs = positions.filter((position) => position.attempt === attempt).map(({ seq }) => seq);
    expect(seqs).toEqual(numbers(records.length));
    const ends = records.filter(({ type }) => type === 'end');
    expect(ends).toEqual([records.at(-1)]);
    expect(ends.map((end) => end.type === 'end' && end.state !== 'queued')).toEqual([attempt === attempts]);
  }
}

function numbers(upTo: number): number[] {
  return Array.from({ length: upTo }, (_, i) => i + 1);
}
