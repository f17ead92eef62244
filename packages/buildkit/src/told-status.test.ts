import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SolveStatus } from './solve-status.ts';
import { ToldStatus } from './told-status.ts';

const log = fc.record({
  vertex: fc.constantFrom('sha256:a', 'sha256:b'),
  stream: fc.constantFrom(1, 2),
  data: fc.uint8Array({ maxLength: 9 }).map((bytes) => Buffer.from(bytes).toString('base64')),
});

/** What the logs say, by vertex and stream. */
function said(statuses: readonly SolveStatus[]): Record<string, string> {
  const all = statuses.flatMap(({ logs = [] }) => logs);
  return Object.fromEntries(
    ['sha256:a 1', 'sha256:a 2', 'sha256:b 1', 'sha256:b 2'].map((key) => [
      key,
      Buffer.concat(
        all
          .filter(({ vertex, stream }) => `${vertex} ${stream}` === key)
          .map(({ data = '' }) => Buffer.from(data, 'base64')),
      ).toString('hex'),
    ]),
  );
}

test('however much was told, and however it is cut when it is told anew, the rest is what was missing', () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1 });
  fc.assert(
    fc.property(fc.array(log), fc.nat(30), cuts, (logs, toldCount, sizes) => {
      const told = new ToldStatus();
      const before = logs.slice(0, toldCount).map((one) => ({ logs: [one] }));
      for (const status of before) told.add(status);
      const again: SolveStatus[] = [];
      for (let at = 0, i = 0; at < logs.length; i++) {
        const size = sizes[i % sizes.length] ?? 1;
        again.push({ logs: logs.slice(at, at + size) });
        at += size;
      }
      const rest = told.rest();
      expect(said([...before, ...again.map((status) => rest(status))])).toEqual(said(again));
    }),
  );
});

test('a piece of output that was told in part is told from there', () => {
  const told = new ToldStatus();
  told.add({ logs: [{ vertex: 'v', stream: 1, data: Buffer.from('one\ntw').toString('base64') }] });
  const { logs } = told.rest()({ logs: [{ vertex: 'v', data: Buffer.from('one\ntwo\n').toString('base64') }] });
  expect(logs?.map(({ data = '' }) => Buffer.from(data, 'base64').toString())).toEqual(['o\n']);
});

test('ends, transfers and warnings that were told are not told again; a second run of a step is', () => {
  const at = (seconds: number) => `2026-01-01T00:00:0${seconds}Z`;
  const first = { digest: 'v', started: at(1), completed: at(2) };
  const told = new ToldStatus();
  told.add({ vertexes: [first], warnings: [{ short: 'b25l' }] });
  const rest = told.rest();
  expect(
    rest({
      vertexes: [
        { digest: 'v', started: at(1), completed: at(1) },
        { digest: 'w', started: at(1) },
      ],
      statuses: [
        { id: 'x', vertex: 'v' },
        { id: 'x', vertex: 'w' },
      ],
      warnings: [{ short: 'b25l' }, { short: 'dHdv' }],
    }),
  ).toMatchObject({ vertexes: [{ digest: 'w' }], statuses: [{ vertex: 'w' }], warnings: [{ short: 'dHdv' }] });
  expect(rest({ vertexes: [{ digest: 'v', started: at(3), completed: at(4) }] }).vertexes).toHaveLength(1);
});
