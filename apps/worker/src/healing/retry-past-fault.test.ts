import type { RunOutcome } from '@kiln/buildkit';
import type { LogRecord } from '@kiln/contracts';
import type { BuilderFault, BuilderState } from '@kiln/domain';
import { expect, test } from 'vitest';
import type { DomainRequest } from '../engine/executor.ts';
import { retryPastFault } from './retry-past-fault.ts';

const damaged = (state: BuilderState, more: Partial<BuilderFault> = {}): RunOutcome => ({
  end: 'failed',
  failure: { code: 'infrastructure', message: 'damaged' },
  fault: { state, message: `it is ${state}`, ...more },
});
const succeeded: RunOutcome = { end: 'succeeded' };
const step = (number: number): LogRecord => ({ t: 1, type: 'output', step: number, stream: 'stdout', data: 'x' });

/** Runs a build whose runs end one after the other as given, each after output of its steps 1 and 2. */
async function retried(
  outcomes: readonly RunOutcome[],
  { removed = 1, abortIn }: { removed?: number | Error; abortIn?: 'run' | 'forget' } = {},
) {
  const records: LogRecord[] = [];
  const runs: DomainRequest[] = [];
  const forgotten: BuilderFault[] = [];
  const controller = new AbortController();
  const request = { spec: { noCache: false }, sink: (record: LogRecord) => void records.push(record) };
  const result = await retryPastFault(
    {
      async run(given) {
        const outcome = outcomes[runs.length];
        runs.push(given);
        for (const number of [1, 2]) await given.sink(step(number));
        if (abortIn === 'run') controller.abort();
        if (!outcome) throw new Error('run too often');
        return outcome;
      },
      async forget(fault) {
        forgotten.push(fault);
        if (abortIn === 'forget') controller.abort();
        if (removed instanceof Error) throw removed;
        return removed;
      },
      now: () => 7,
    },
    request as never,
    controller.signal,
  );
  const noCaches = runs.map(({ spec }) => spec.noCache);
  const notes = records.flatMap((record) => (record.type === 'note' ? [record.message] : []));
  const steps = records.flatMap((record) => ('step' in record && record.step !== undefined ? [record.step] : []));
  return { result, forgotten, noCaches, notes, steps };
}

test('a build that succeeds, or fails by its own fault, runs once', async () => {
  const failed: RunOutcome = { end: 'failed', failure: { code: 'step_failed', message: 'exit code: 1' } };
  for (const outcome of [succeeded, failed]) {
    const { result, noCaches, notes, forgotten } = await retried([outcome]);
    expect([result, noCaches, notes, forgotten]).toEqual([{ outcome }, [false], [], []]);
  }
});

test.each<BuilderState>(['snapshot_missing', 'content_missing', 'record_corrupt', 'disk_full'])(
  'runs a build again with what is left of the cache after removing what is damaged: %s',
  async (state) => {
    const first = damaged(state);
    const { result, noCaches, notes, steps, forgotten } = await retried([first, succeeded], { removed: 3 });
    expect(result).toEqual({ outcome: succeeded, cured: first.fault });
    expect([noCaches, forgotten]).toEqual([[false, false], [first.fault]]);
    expect(notes).toEqual([
      `the builder's store is damaged (${state}): it is ${state}; running the build again after removing 3 of its records`,
    ]);
    expect(steps).toEqual([1, 2, 3, 4]);
  },
);

test.each<BuilderState>(['stuck', 'out_of_memory', 'down'])(
  'doesn’t run a build again on a builder that needs a repair first: %s',
  async (state) => {
    const outcome = damaged(state);
    const { result, forgotten } = await retried([outcome]);
    expect([result, forgotten]).toEqual([{ outcome }, []]);
  },
);

test.each([0, new Error('no answer')])(
  'runs a build again without the cache if nothing could be removed: %s',
  async (removed) => {
    const { noCaches, notes } = await retried([damaged('record_corrupt'), succeeded], { removed });
    expect(noCaches).toEqual([false, true]);
    expect(notes[0]).toMatch(/running the build again without its cache$/);
  },
);

test('never runs a build a third time, and returns the second fault', async () => {
  const second = damaged('content_missing');
  const { result, noCaches } = await retried([damaged('snapshot_missing'), second]);
  expect(result).toEqual({ outcome: second });
  expect(noCaches).toHaveLength(2);
});

test('doesn’t blame the builder for a suspected fault that comes again without the cache', async () => {
  const suspected = damaged('snapshot_missing', { isSuspected: true });
  const again = await retried([suspected, suspected]);
  expect(again.result.outcome).toEqual({ end: 'failed', failure: suspected.failure });
  const certain = damaged('record_corrupt');
  expect((await retried([suspected, certain])).result).toEqual({ outcome: certain });
  expect((await retried([suspected, succeeded])).result.cured).toEqual(suspected.fault);
});

test.each(['run', 'forget'] as const)('a build that is stopped during its %s isn’t run again', async (abortIn) => {
  const outcome = damaged('snapshot_missing');
  const { result, noCaches, notes } = await retried([outcome], { abortIn });
  expect([result, noCaches, notes]).toEqual([{ outcome }, [false], []]);
});
