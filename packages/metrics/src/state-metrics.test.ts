import { type BuildEvent, type BuildRecord, isIllegal, transition } from '@kiln/domain';
import { expect, test } from 'vitest';
import { openMetrics } from './open-metrics.ts';
import { countState } from './state-metrics.ts';

const QUEUED: BuildRecord = {
  ...{ id: 'b', revision: 1, state: 'queued', repo: 'app', team: 'web' },
  ...{ createdAt: 1_000, queuedAt: 1_000, attempts: [] },
};

/** Applies events at their times, ms, and returns the series of builds and attempts that are not 0. */
async function countedAfter(events: readonly [at: number, event: BuildEvent][]): Promise<Record<string, number>> {
  const metrics = await openMetrics(['api', 'scheduler', 'worker']);
  const state = countState(metrics);
  state.accepted(QUEUED);
  let build = QUEUED;
  for (const [at, event] of events) {
    const next = transition(build, event, at);
    if (isIllegal(next)) throw new Error(`${next.event} in state ${next.state}`);
    state.changed(build, next);
    build = next;
  }
  const lines = (await metrics.text()).split('\n').filter((line) => /^kiln_(build|attempt)/.test(line));
  metrics.close();
  const series = lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))] as const);
  return Object.fromEntries(series.filter(([name, value]) => value !== 0 && !name.includes('_bucket')));
}

const ASSIGN: BuildEvent = { type: 'assign', host: 'h', incarnation: 'i', nonce: 'n' };
const ref = (attempt: number) => ({ attempt, incarnation: 'i', nonce: 'n' });

test('a build is counted once at its end, with its cause, its wait and its duration', async () => {
  const steps = { total: 5, cached: 3 };
  expect(
    await countedAfter([
      [4_000, ASSIGN],
      [4_500, { type: 'start', ...ref(1) }],
      [
        10_500,
        { type: 'finish', ...ref(1), outcome: { end: 'failed', steps, failure: { code: 'step_failed', message: '' } } },
      ],
    ]),
  ).toEqual({
    'kiln_builds_accepted_total{trigger="unknown",mode="warm"}': 1,
    'kiln_builds_ended_total{state="failed",code="step_failed"}': 1,
    'kiln_attempts_ended_total{end="failed",code="step_failed"}': 1,
    kiln_build_wait_seconds_sum: 3,
    kiln_build_wait_seconds_count: 1,
    'kiln_build_duration_seconds_sum{state="failed"}': 6,
    'kiln_build_duration_seconds_count{state="failed"}': 1,
    'kiln_build_steps_total{cached="true"}': 3,
    'kiln_build_steps_total{cached="false"}': 2,
  });
});

test('an attempt that was lost is counted apart from its build, which goes on', async () => {
  expect(
    await countedAfter([
      [2_000, ASSIGN],
      [2_500, { type: 'start', ...ref(1) }],
      [9_000, { type: 'lose', attempt: 1, nonce: 'n', failure: { code: 'host_lost', message: '' } }],
      [10_000, ASSIGN],
      [10_500, { type: 'start', ...ref(2) }],
      [11_500, { type: 'finish', ...ref(2), outcome: { end: 'succeeded' } }],
    ]),
  ).toMatchObject({
    'kiln_attempts_ended_total{end="lost",code="host_lost"}': 1,
    'kiln_attempts_ended_total{end="succeeded",code="none"}': 1,
    'kiln_builds_ended_total{state="succeeded",code="none"}': 1,
    // Counted from when it was queued again.
    kiln_build_wait_seconds_sum: 2,
    kiln_build_wait_seconds_count: 2,
    'kiln_build_duration_seconds_sum{state="succeeded"}': 1,
  });
});

test('a build that never had a host is counted without a duration', async () => {
  const counted = await countedAfter([[5_000, { type: 'abandon', failure: { code: 'no_fitting_host', message: '' } }]]);
  expect(counted).toEqual({
    'kiln_builds_accepted_total{trigger="unknown",mode="warm"}': 1,
    'kiln_builds_ended_total{state="failed",code="no_fitting_host"}': 1,
  });
});

test('an error of Redis is counted by its code, and an unknown one as other', async () => {
  const metrics = await openMetrics(['api']);
  const state = countState(metrics);
  state.answered(1, new Error('OOM command not allowed when used memory > maxmemory.'));
  state.answered(1, new Error('what a message'));
  const text = await metrics.text();
  expect(text).toContain('kiln_redis_errors_total{code="OOM"} 1');
  expect(text).toContain('kiln_redis_errors_total{code="other"} 1');
  expect(text).toContain('kiln_redis_command_duration_seconds_count 2');
  metrics.close();
});
