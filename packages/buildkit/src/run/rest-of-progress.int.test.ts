import { availableParallelism } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { begin, FROM, type Lab, lab, processesWith, toolContainerOf, uniqueSeconds, until } from '../testing/lab.ts';

const LINES = 150_000;
const LINE = 'sixty characters of output, or as near to sixty as can be....';
const CPU_NANOS = 1e8;

let shared: Lab;
beforeAll(async () => {
  shared = await lab();
});
afterAll(() => shared[Symbol.asyncDispose]());

/** A build that prints much at its end, with a buildx that gets too little CPU time to pass all of it on in time. */
async function runStarved(atTheEnd: string) {
  const seconds = uniqueSeconds();
  const build = begin(shared.builder, {
    dockerfile: `${FROM}\nRUN echo begun; sleep ${seconds} || true; yes '${LINE}' | head -n ${LINES}; ${atTheEnd}`,
  });
  await until(async () => build.output().includes('begun') && (await processesWith(seconds)).length > 0);
  const tool = toolContainerOf(shared);
  await tool.update({ NanoCpus: CPU_NANOS });
  for (const pid of await processesWith(seconds)) process.kill(Number(pid), 'SIGKILL');
  const outcome = await build.outcome;
  await tool.update({ NanoCpus: availableParallelism() * 1e9 });
  const output = build.records
    .filter((record) => record.type === 'output')
    // The shell reports on stderr that its sleep was killed.
    .filter(({ stream }) => stream === 'stdout')
    .map(({ data }) => data)
    .join('');
  return { outcome, output, ends: build.records.filter((record) => record.type === 'step') };
}

test('loses no output and keeps the outcome if buildx is too slow for its build', async () => {
  const { outcome, output, ends } = await runStarved('echo done');
  expect(outcome).toMatchObject({ end: 'succeeded', steps: { total: 1, cached: 0 } });
  expect(output === `begun\n${`${LINE}\n`.repeat(LINES)}done\n`).toBe(true);
  const run = ends.filter(({ name }) => name.includes('RUN'));
  // BuildKit may restart a step itself, and reports that before the step ends.
  const times = (state: string) => run.filter((record) => record.state === state).length;
  expect(times('completed')).toBeGreaterThanOrEqual(1);
  expect(times('started')).toBeGreaterThanOrEqual(times('completed'));
  expect(run.at(-1)?.state).toBe('completed');
});

test('loses no output of a failed step if buildx is too slow for its build', async () => {
  const { outcome, output } = await runStarved('echo the reason; exit 7');
  expect(outcome).toMatchObject({ end: 'failed', failure: { code: 'step_failed', exitCode: 7 } });
  expect(output.endsWith(`${LINE}\nthe reason\n`)).toBe(true);
  expect(output.length).toBe('begun\n'.length + LINES * (LINE.length + 1) + 'the reason\n'.length);
});
