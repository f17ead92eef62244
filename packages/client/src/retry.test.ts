import type { Problem } from '@kiln/contracts';
import { expect, test } from 'vitest';
import { KilnProblem } from './errors.ts';
import { withRetry } from './retry.ts';

const refusal = (code: Problem['code'], status: number, retryAfterMs?: number) =>
  new KilnProblem({ type: 't', title: 't', status, code, detail: 'd', errors: [] }, retryAfterMs);

/** Answers how long was waited before each try, with the given refusals in turn before it succeeds. */
async function waits(giveUpAfterMs: number, ...refusals: readonly KilnProblem[]): Promise<number[]> {
  const waited: number[] = [];
  let now = 0;
  const ambience = {
    now: () => now,
    random: () => 0,
    sleep: async (ms: number) => {
      waited.push(ms);
      now += ms;
    },
  };
  const left = [...refusals];
  await withRetry(ambience, { giveUpAfterMs }, async () => {
    const next = left.shift();
    if (next) throw next;
  });
  return waited;
}

test('waits as long as the API asks to, and by itself where it doesn’t ask', async () => {
  const tooMany = refusal('too_many_requests', 429, 7_000);
  expect(await waits(60_000, tooMany, refusal('unavailable', 503), tooMany)).toEqual([7_000, 200, 7_000]);
});

test('gives up at once where the wait would be longer than its patience', async () => {
  await expect(waits(5_000, refusal('too_many_requests', 429, 7_000))).rejects.toThrow(KilnProblem);
});

test('doesn’t hold on to a queue that is full', async () => {
  await expect(waits(60_000, refusal('queue_full', 429, 30_000))).rejects.toThrow(KilnProblem);
});
