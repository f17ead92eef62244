import { expect, test } from 'vitest';
import { Step } from './step.ts';

const at = (second: number) => `2026-01-01T00:00:0${second}Z`;

/** The states of a step’s records for a sequence of reports of its vertex. */
function statesOf(...reports: { started: string; completed?: string; error?: string }[]) {
  const step = new Step(1, 'RUN make');
  return reports.flatMap((fields) => {
    const vertex = { digest: 'v', ...fields };
    return [...step.start(vertex), ...step.finish(vertex, 0, (text) => text)].map(({ state }) => state);
  });
}

test('records a repeated end without another start only once', () => {
  const first = { started: at(1), completed: at(2) };
  expect(statesOf(first, first, { ...first, completed: at(3) })).toEqual(['started', 'completed']);
});

test('records the second end of a step that runs again', () => {
  const again = { started: at(3), completed: at(4) };
  expect(statesOf({ started: at(1), completed: at(2) }, again)).toEqual([
    'started',
    'completed',
    'started',
    'completed',
  ]);
});

test('records an error that follows the end', () => {
  const first = { started: at(1), completed: at(2) };
  expect(statesOf(first, { started: at(1), completed: at(3), error: 'exit code: 7' })).toEqual([
    'started',
    'completed',
    'failed',
  ]);
});
