import type { Problem } from '@kiln/contracts';
import { describe, expect, test } from 'vitest';
import { KilnProblem } from './errors.ts';
import { withRetry } from './retry.ts';

const refusal = (code: Problem['code'], status: number, retryAfterMs?: number) =>
  new KilnProblem({ type: 't', title: 't', status, code, detail: 'd', errors: [] }, retryAfterMs);

/** Returns the waits before each retry of a call that meets the given refusals in turn before it succeeds. */
async function waits(giveUpAfterMs: number, ...refusals: readonly KilnProblem[]): Promise<number[]> {
  const waited: number[] = [];
  let now = 0;
  const deps = {
    now: () => now,
    random: () => 0,
    sleep: async (ms: number) => {
      waited.push(ms);
      now += ms;
    },
  };
  const left = [...refusals];
  await withRetry(deps, { giveUpAfterMs }, async () => {
    const next = left.shift();
    if (next) throw next;
  });
  return waited;
}

describe('withRetry', () => {
  test('waits as long as the API asks, and backs off on its own if it doesn’t', async () => {
    const tooMany = refusal('too_many_requests', 429, 7_000);
    expect(await waits(60_000, tooMany, refusal('unavailable', 503), tooMany)).toEqual([7_000, 200, 7_000]);
  });

  test('gives up immediately if the wait would exceed giveUpAfterMs', async () => {
    await expect(waits(5_000, refusal('too_many_requests', 429, 7_000))).rejects.toThrow(KilnProblem);
  });

  test('does not retry when the queue is full', async () => {
    await expect(waits(60_000, refusal('queue_full', 429, 30_000))).rejects.toThrow(KilnProblem);
  });
});
