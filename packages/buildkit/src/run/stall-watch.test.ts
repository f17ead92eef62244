import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { StallWatch } from './stall-watch.ts';

// The tests themselves say when it looks.
beforeAll(() => void vi.useFakeTimers());
afterAll(() => void vi.useRealTimers());

const log = { debug() {}, info() {}, warn() {}, error() {} };
const RUN = '[stage-0 2/3] RUN make';
const IDLE = { working: 0, cpuMs: 0 };

/** A build that has been silent for 1000 ms, and a builder with some activity. */
function silent(steps: readonly string[] = [RUN]) {
  const scene = { now: 0, steps, activity: IDLE, fails: false };
  const found: unknown[] = [];
  const watch = new StallWatch({
    ...{ afterMs: 1_000, log, now: () => scene.now, running: () => scene.steps },
    onStuck: (fault) => void found.push(fault),
    async activity() {
      if (scene.fails) throw new Error('no answer');
      return scene.activity;
    },
  });
  watch.arrived(10);
  watch.taken(10);
  scene.now = 1_000;
  /** Looks again after 250 ms. */
  const look = async (activity = IDLE) => {
    scene.activity = activity;
    await watch.look();
    scene.now += 250;
  };
  return { scene, watch, found, look };
}

test('a builder is stuck if a RUN is open, no process runs and the daemon is idle, twice in a row', async () => {
  const { found, look } = silent();
  await look();
  expect(found).toEqual([]);
  await look({ working: 0, cpuMs: 40 });
  await look();
  expect(found).toEqual([
    {
      state: 'stuck',
      step: RUN,
      message: expect.stringMatching(
        /^BuildKit has reported nothing for 1 s, runs no process of a step and does no work/,
      ),
    },
  ]);
});

test('a builder isn’t stuck while a process runs in it, its daemon works, or the build has just reported something', async () => {
  const { found, look, watch, scene } = silent();
  await look();
  await look({ working: 1, cpuMs: 0 });
  await look();
  await look({ working: 0, cpuMs: 50 });
  await look({ working: 0, cpuMs: 150 });
  watch.arrived(5);
  watch.taken(5);
  await look();
  scene.now += 1_000;
  await look();
  expect(found).toEqual([]);
});

test.each<[string, readonly string[]]>([
  ['none', []],
  ['a pull', ['[1/2] FROM debian']],
  ['a copy beside a RUN', [RUN, '[b 2/2] COPY . /src']],
  ['an export', ['exporting to image']],
])('a builder isn’t called stuck while other steps than a RUN are open: %s', async (_, steps) => {
  const { found, look } = silent(steps);
  for (let i = 0; i < 4; i++) await look();
  expect(found).toEqual([]);
});

test('nothing is concluded while progress waits for a slow log, or the builder can’t be looked at', async () => {
  const { found, look, watch, scene } = silent();
  watch.arrived(7);
  scene.now += 1_000;
  await look();
  await look();
  watch.taken(7);
  await look();
  scene.fails = true;
  await look();
  scene.fails = false;
  await look();
  expect(found).toEqual([]);
  await look();
  expect(found).toHaveLength(1);
});
