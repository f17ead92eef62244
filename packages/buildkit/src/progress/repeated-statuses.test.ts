import { expect, test } from 'vitest';
import { RepeatedStatuses } from './repeated-statuses.ts';

const at = (ms: number) => new Date(ms).toISOString();
const run = { digest: 'run', name: '[build 2/3] RUN make' };

function repeated() {
  const built: string[] = [];
  return { built, statuses: new RepeatedStatuses(1_000, (step) => void built.push(step)) };
}

test('passes on the steps of the push, and none of the build', () => {
  const { built, statuses } = repeated();
  const passed = statuses.pass({
    vertexes: [
      { digest: 'load', name: '[internal] load build context', started: at(2_000), completed: at(2_001) },
      { digest: 'arm', name: '[linux/arm64 internal] load metadata for x', started: at(2_000) },
      { digest: 'from', name: '[build 1/3] FROM x', started: at(2_000), completed: at(2_001) },
      { ...run, started: at(2_000), completed: at(2_000), cached: true },
      { digest: 'export', name: 'exporting to image', started: at(2_002) },
    ],
    statuses: [
      { id: 'transferring', vertex: 'load', name: '' },
      { id: 'pushing layers', vertex: 'export', name: '' },
    ],
    logs: [{ vertex: 'export', stream: 2, data: '', timestamp: at(2_000) }],
  });
  expect(passed.vertexes?.map(({ digest }) => digest)).toEqual(['export']);
  expect(passed.statuses?.map(({ vertex }) => vertex)).toEqual(['export']);
  expect(passed.logs).toHaveLength(1);
  expect(built).toEqual([]);
});

test('passes on a step of the build that failed', () => {
  const { statuses } = repeated();
  const load = { digest: 'load', name: '[internal] load metadata for x', error: 'EOF', completed: at(2_000) };
  expect(statuses.pass({ vertexes: [load] }).vertexes).toEqual([load]);
});

test('recognizes a step that ran again by its end, or by its output', () => {
  const { built, statuses } = repeated();
  statuses.pass({ vertexes: [{ ...run, started: at(2_000) }] });
  expect(built).toEqual([]);
  statuses.pass({ vertexes: [{ ...run, started: at(2_000), completed: at(3_000) }] });
  statuses.pass({ logs: [{ vertex: 'run', stream: 1, data: 'eA==', timestamp: at(2_500) }] });
  expect(built).toEqual([run.name, run.name]);
});

test('takes the first run’s own steps for no steps that ran again', () => {
  const { built, statuses } = repeated();
  statuses.pass({ vertexes: [{ ...run, started: at(500), completed: at(900) }] });
  expect(built).toEqual([]);
});
