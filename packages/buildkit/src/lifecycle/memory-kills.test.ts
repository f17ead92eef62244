import { expect, test } from 'vitest';
import type { RunOutcome } from '../outcome/outcome.ts';
import { namingMemory, readKills } from './memory-kills.ts';

const failed = (exitCode: number): RunOutcome => ({
  end: 'failed',
  failure: { code: 'step_failed', message: 'exit', step: '[2/2] RUN make', exitCode, excerpt: '1 | RUN make' },
});

test('reads how often the kernel has killed for memory', () => {
  expect(readKills('nr_free_pages 5\noom_kill 17\noom_kill_x 3\n')).toBe(17);
  expect(readKills('')).toBeUndefined();
});

test('a step that was killed while the kernel killed for memory ran out of memory', () => {
  expect(namingMemory(failed(137), 3, 4, 1e9).failure).toEqual({
    code: 'out_of_memory',
    message:
      '[2/2] RUN make: killed because memory ran out (exit code 137); it had the limit of all steps of the builder together, 1000000000 bytes',
    step: '[2/2] RUN make',
    exitCode: 137,
    excerpt: '1 | RUN make',
  });
  expect(namingMemory(failed(137), 3, 4, undefined).failure?.message).toMatch(
    /it had the host’s memory, which no setting limits for steps$/,
  );
});

test('another failure, or a kill for another reason, is left as it is', () => {
  const cases: [RunOutcome, number | undefined, number | undefined][] = [
    [failed(137), 3, 3],
    [failed(137), undefined, 4],
    [failed(137), 3, undefined],
    [failed(2), 3, 4],
    [{ end: 'succeeded' }, 3, 4],
    [{ end: 'failed', failure: { code: 'infrastructure', message: 'buildx was killed' } }, 3, 4],
  ];
  for (const [outcome, before, after] of cases) expect(namingMemory(outcome, before, after, 1e9)).toBe(outcome);
});
