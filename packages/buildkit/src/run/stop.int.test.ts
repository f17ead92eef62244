import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BuildStop } from '../index.ts';
import { begin, FROM, type Lab, lab, processesWith, type RunningBuild, uniqueSeconds, until } from '../testing/lab.ts';

let shared: Lab;
beforeAll(async () => {
  shared = await lab();
});
afterAll(() => shared[Symbol.asyncDispose]());

interface Sleeping {
  readonly build: RunningBuild;
  readonly seconds: string;
  /** How long it took to start. A busy machine takes as many times longer to stop a build as to start it. */
  readonly startedInMs: number;
}

/** Begins a build, and waits until the machine runs its `sleep`. */
async function sleeping(of: Lab, spec: object = {}): Promise<Sleeping> {
  const seconds = uniqueSeconds();
  const began = performance.now();
  const build = begin(of.builder, { dockerfile: `${FROM}\nRUN echo asleep && sleep ${seconds}; echo awake`, spec });
  await until(async () => (await processesWith(seconds)).length > 0);
  return { build, seconds, startedInMs: performance.now() - began };
}

test('cancels a build and ends the RUN’s processes', async () => {
  const { build, seconds, startedInMs } = await sleeping(shared);
  const began = Date.now();
  build.stop(new BuildStop('cancel'));
  expect(await build.outcome).toMatchObject({ end: 'canceled', failure: { code: 'canceled' } });
  expect(await processesWith(seconds)).toEqual([]);
  expect(Date.now() - began).toBeLessThan(2_000 + startedInMs);
  expect(build.records).toContainEqual(expect.objectContaining({ type: 'step', state: 'canceled' }));
  expect(build.output()).toBe('asleep\n');
});

test('kills a buildx that ignores SIGTERM', async () => {
  const { build, seconds } = await sleeping(shared);
  const [pid] = await processesWith(
    `--metadata-file=${shared.options.scratchDir}/runs/${build.id}-1/own/metadata.json`,
  );
  execFileSync('kill', ['-STOP', String(pid)]);
  build.stop('cancel');
  expect(await build.outcome).toMatchObject({ end: 'canceled' });
  expect(await processesWith(seconds)).toEqual([]);
});

test('cancels a build that has not begun', async () => {
  const build = begin(shared.builder, { dockerfile: `${FROM}\nRUN sleep ${uniqueSeconds()}` });
  build.stop(new BuildStop('cancel'));
  expect(await build.outcome).toMatchObject({ end: 'canceled', failure: { code: 'canceled' } });
});

test('fails a build that exceeds its time-out, and reports the time-out', async () => {
  // Whether its RUN has started by then depends on the machine.
  const seconds = uniqueSeconds();
  const dockerfile = `${FROM}\nRUN sleep ${seconds}`;
  const build = begin(shared.builder, { dockerfile, spec: { timeoutSeconds: 3 } });
  expect(await build.outcome).toMatchObject({
    end: 'failed',
    failure: { code: 'timeout', message: 'not finished within 3 s' },
  });
  expect(await processesWith(seconds)).toEqual([]);
});

test('ends a build whose worker lost its lease with infrastructure', async () => {
  const { build, seconds } = await sleeping(shared);
  build.stop(new BuildStop('fence'));
  expect(await build.outcome).toMatchObject({ end: 'failed', failure: { code: 'infrastructure' } });
  expect(await processesWith(seconds)).toEqual([]);
});

test('kills builds and starts none after the fence, and runs builds again after it is extended', async () => {
  await using own = await lab();
  const { build, seconds, startedInMs } = await sleeping(own);
  const deadline = Date.now() + 1_500;
  await own.builder.extendFence(deadline);
  expect(await build.outcome).toMatchObject({ end: 'failed', failure: { code: 'infrastructure' } });
  expect(await processesWith(seconds)).toEqual([]);
  const late = Date.now() - deadline;
  expect(late).toBeGreaterThan(-1_200);
  expect(late).toBeLessThan(2_500 + startedInMs);

  const fenced = await begin(own.builder, { dockerfile: FROM }).outcome;
  expect(fenced.failure).toMatchObject({ code: 'infrastructure' });
  await own.builder.extendFence(Date.now() + 60_000);
  expect(await begin(own.builder, { dockerfile: FROM }).outcome).toMatchObject({ end: 'succeeded' });
});

test('ends running builds when it is closed', async () => {
  const own = await lab();
  const { build, seconds } = await sleeping(own);
  await own[Symbol.asyncDispose]();
  expect((await build.outcome).failure).toMatchObject({ code: 'infrastructure' });
  expect(await processesWith(seconds)).toEqual([]);
});
