import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SolveStatus } from '../control/solve-status.ts';
import { StatusReplay } from './status-replay.ts';

const log = fc.record({
  vertex: fc.constantFrom('sha256:a', 'sha256:b'),
  stream: fc.constantFrom(1, 2),
  data: fc.uint8Array({ maxLength: 9 }).map((bytes) => Buffer.from(bytes).toString('base64')),
});

/** The concatenated output, by vertex and stream. */
function outputOf(statuses: readonly SolveStatus[]): Record<string, string> {
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

test('a replay adds exactly the missing output, however much was delivered and however the replay is cut', () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1 });
  fc.assert(
    fc.property(fc.array(log), fc.nat(30), cuts, (logs, deliveredCount, sizes) => {
      const replay = new StatusReplay();
      const delivered = logs.slice(0, deliveredCount).map((one) => ({ logs: [one] }));
      for (const status of delivered) replay.add(status);
      const repeated: SolveStatus[] = [];
      for (let at = 0, i = 0; at < logs.length; i++) {
        const size = sizes[i % sizes.length] ?? 1;
        repeated.push({ logs: logs.slice(at, at + size) });
        at += size;
      }
      const withoutDelivered = replay.start();
      expect(outputOf([...delivered, ...repeated.map((status) => withoutDelivered(status))])).toEqual(
        outputOf(repeated),
      );
    }),
  );
});

test('a replay continues in the middle of a piece of output that was delivered in part', () => {
  const replay = new StatusReplay();
  replay.add({ logs: [{ vertex: 'v', stream: 1, data: Buffer.from('one\ntw').toString('base64') }] });
  const { logs } = replay.start()({ logs: [{ vertex: 'v', data: Buffer.from('one\ntwo\n').toString('base64') }] });
  expect(logs?.map(({ data = '' }) => Buffer.from(data, 'base64').toString())).toEqual(['o\n']);
});

test('a replay omits delivered ends, transfers and warnings, but not a second run of a step', () => {
  const at = (seconds: number) => `2026-01-01T00:00:0${seconds}Z`;
  const first = { digest: 'v', started: at(1), completed: at(2) };
  const replay = new StatusReplay();
  replay.add({ vertexes: [first], warnings: [{ short: 'b25l' }] });
  const withoutDelivered = replay.start();
  expect(
    withoutDelivered({
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
  expect(withoutDelivered({ vertexes: [{ digest: 'v', started: at(3), completed: at(4) }] }).vertexes).toHaveLength(1);
});

test('a replay on a clock that is a constant apart omits what was delivered, and continues on the delivered clock', () => {
  const at = (ms: number) => new Date(Date.UTC(2026, 0, 1) + ms).toISOString();
  const replay = new StatusReplay();
  replay.add({ vertexes: [{ digest: 'v', started: at(0) }] });
  replay.add({ vertexes: [{ digest: 'v', started: at(0), completed: at(20) }] });
  replay.add({ vertexes: [{ digest: 'w', started: at(30) }] });
  const withoutDelivered = replay.start();
  expect(withoutDelivered({ vertexes: [{ digest: 'v', started: at(4_010) }] }).vertexes).toEqual([
    { digest: 'v', started: at(0) },
  ]);
  // 1 ms more, because both clocks round.
  expect(withoutDelivered({ vertexes: [{ digest: 'v', started: at(4_010), completed: at(4_031) }] }).vertexes).toEqual([
    { digest: 'v', started: at(0), completed: at(20) },
  ]);
  expect(withoutDelivered({ vertexes: [{ digest: 'w', started: at(4_040), completed: at(4_070) }] }).vertexes).toEqual([
    { digest: 'w', started: at(30), completed: at(60) },
  ]);
});
