import { type IdentifiedLogRecord, parseLogId } from '@kiln/contracts';
import { expect } from 'vitest';

export type BuildLog = readonly IdentifiedLogRecord[];

/** Output of the steps. */
export function outputOf(log: BuildLog): string {
  return log.map((record) => (record.type === 'output' ? record.data : '')).join('');
}

/** Expects a whole log: `attempts` attempts in order, each numbered 1..n and closed by its only `end`; the last one ends the build. */
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
    const ends = records.filter((record) => record.type === 'end');
    expect(ends).toEqual([records.at(-1)]);
    expect(ends.map(({ state }) => state !== 'queued')).toEqual([attempt === attempts]);
  }
}

function numbers(upTo: number): number[] {
  return Array.from({ length: upTo }, (_, i) => i + 1);
}

/** Expects the output of `chatting`: `line 1`, `line 2`, … in each attempt, none missing and none twice. */
export function expectNumbered(log: BuildLog): void {
  const attempts = Map.groupBy(log, ({ id }) => parseLogId(id)?.attempt);
  for (const records of attempts.values()) {
    const lines = [...outputOf(records).matchAll(/^line (\d+)$/gm)].map(([, n]) => Number(n));
    expect(lines.length).toBeGreaterThan(0);
    expect(lines).toEqual(numbers(lines.length));
  }
}
