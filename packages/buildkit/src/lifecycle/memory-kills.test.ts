import { expect, test } from 'vitest';
import type { RunOutcome } from '../outcome/outcome.ts';
import { type KillCounts, namingMemory, ranOutOfMemory, readGroupCount, readKills } from './memory-kills.ts';

const failed = (exitCode: number): RunOutcome => ({
  end: 'failed',
  failure: { code: 'step_failed', message: 'exit', step: '[2/2] RUN make', exitCode, excerpt: '1 | RUN make' },
});

const at = (machine: number | undefined, builder?: number): KillCounts => ({ machine, builder });

test('reads how often the kernel has killed for memory', () => {
  expect(readKills('nr_free_pages 5\noom_kill 17\noom_kill_x 3\n')).toBe(17);
  expect(readKills('')).toBeUndefined();
});

test('a step that was killed while the kernel killed for memory ran out of memory', () => {
  expect(namingMemory(failed(137), at(3), at(4), 1e9).failure).toEqual({
    code: 'out_of_memory',
    message:
      '[2/2] RUN make: killed because memory ran out (exit code 137); it had the limit of all steps of the builder together, 1000000000 bytes',
    step: '[2/2] RUN make',
    exitCode: 137,
    excerpt: '1 | RUN make',
  });
  expect(namingMemory(failed(137), at(3), at(4), undefined).failure?.message).toMatch(
    /it had the host’s memory, which no setting limits for steps$/,
  );
});

test('another failure, or a kill for another reason, is left as it is', () => {
  const cases: [RunOutcome, KillCounts, KillCounts][] = [
    [failed(137), at(3), at(3)],
    [failed(2), at(3), at(4)],
    [{ end: 'succeeded' }, at(3), at(4)],
    [{ end: 'failed', failure: { code: 'infrastructure', message: 'buildx was killed' } }, at(3), at(4)],
  ];
  for (const [outcome, before, after] of cases) expect(namingMemory(outcome, before, after, 1e9)).toBe(outcome);
});

test.each<[string, KillCounts, KillCounts, boolean]>([
  ['nothing was killed on the machine', at(3, 1), at(3, 1), false],
  ['a process of the builder was killed', at(3, 1), at(4, 2), true],
  ['a process elsewhere on the machine was killed', at(3, 1), at(4, 1), false],
  ['the builder was started again, and then one of its processes killed', at(3, 5), at(4, 1), true],
  ['the builder was started again, and a process elsewhere killed', at(3, 5), at(4, 0), false],
  ['a process was killed, and the builder’s count can’t be read', at(3), at(4), true],
  ['a process was killed, and the builder’s count could be read only before', at(3, 1), at(4), true],
  ['a process was killed, and the builder’s count can be read only now', at(3), at(4, 7), true],
  ['the machine reports nothing any more', at(3, 1), at(undefined, 2), false],
])('decides whether memory ran out when %s', (_, before, after, ranOut) => {
  expect(ranOutOfMemory(before, after)).toBe(ranOut);
});

test('reads a builder’s count from cgroup v2 and v1', () => {
  expect(readGroupCount('low 0\nhigh 0\nmax 8\noom 2\noom_kill 2\noom_group_kill 0\n')).toBe(2);
  expect(readGroupCount('141\n')).toBe(141);
  expect(readGroupCount('')).toBeUndefined();
});
