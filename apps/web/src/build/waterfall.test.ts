import { expect, test } from 'vitest';
import type { LogStep } from './log/log-book.ts';
import { barsOf, kindOf, timeByKind } from './waterfall.ts';

test.each([
  ['[internal] load build definition from Dockerfile', 'context'],
  ['[internal] load build context', 'context'],
  ['[internal] load metadata for docker.io/library/node:24', 'pull'],
  ['[build 1/4] FROM docker.io/library/node:24@sha256:1', 'pull'],
  ['[stage-1 3/4] RUN npm ci', 'run'],
  ['[2/4] COPY . .', 'run'],
  ['exporting to image', 'export'],
  ['something new', 'other'],
])('%s is a step of kind %s', (name, kind) => {
  expect(kindOf(name)).toBe(kind);
});

const step = (number: number, startedAt: number, endedAt: number | undefined, name: string): LogStep => ({
  ...{
    attempt: 1,
    number,
    name,
    state: endedAt === undefined ? 'started' : 'completed',
    startedAt,
    line: 0,
    lastLine: 0,
  },
  ...(endedAt !== undefined && { endedAt }),
});

test('steps become bars after the time in the queue, by their start, and one that runs ends now', () => {
  const steps = [step(2, 1_600, undefined, '[2/2] RUN b'), step(1, 1_500, 1_700, '[1/2] RUN a')];
  expect(barsOf(steps, 1, { queuedAt: 1_000, startedAt: 1_400 }, 2_000)).toMatchObject([
    { kind: 'queue', fromMs: 0, ms: 400 },
    { key: '1.1', fromMs: 500, ms: 200 },
    { key: '1.2', fromMs: 600, ms: 400, state: 'started' },
  ]);
  expect(barsOf([], 1, { queuedAt: 1_000, startedAt: undefined }, 4_000)).toMatchObject([{ kind: 'queue', ms: 3_000 }]);
});

test('time by kind counts time in which several steps of the kind run side by side once', () => {
  const steps = [
    step(1, 0, 100, '[1/3] RUN a'),
    step(2, 50, 150, '[2/3] RUN b'),
    step(3, 200, 220, 'exporting to image'),
  ];
  const times = timeByKind(barsOf(steps, 1, { queuedAt: 0, startedAt: 0 }, 300));
  expect([...times]).toEqual([
    ['run', 150],
    ['export', 20],
  ]);
});
