import { expect, test } from 'vitest';
import { Step } from './step.ts';

const at = (second: number) => `2026-01-01T00:00:0${second}Z`;

/** States of what a step tells of a vertex that says this, one after the other. */
function told(...said: { started: string; completed?: string; error?: string }[]) {
  const step = new Step(1, 'RUN make');
  return said.flatMap((fields) => {
    const vertex = { digest: 'v', ...fields };
    return [...step.start(vertex), ...step.finish(vertex, 0, (text) => text)].map(({ state }) => state);
  });
}

test('an end that comes again, later and without another start, is told once', () => {
  const first = { started: at(1), completed: at(2) };
  expect(told(first, first, { ...first, completed: at(3) })).toEqual(['started', 'completed']);
});

test('a step that runs again ends again', () => {
  const again = { started: at(3), completed: at(4) };
  expect(told({ started: at(1), completed: at(2) }, again)).toEqual(['started', 'completed', 'started', 'completed']);
});

test('an error is told also where the end was', () => {
  const first = { started: at(1), completed: at(2) };
  expect(told(first, { started: at(1), completed: at(3), error: 'exit code: 7' })).toEqual([
    'started',
    'completed',
    'failed',
  ]);
});
