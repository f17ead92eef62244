import type { PlacementDecision } from '@kiln/domain';

/** A decision like a leader's, for tests that assign builds themselves. */
export function decisionFor(build: string, host: string): PlacementDecision {
  const predicted = { startAt: 0, finishAt: 480_000, runMs: 480_000, warmth: 0 };
  const considered = [{ host, slots: 2, usedSlots: 0, warmth: 0, verdict: 'chosen', predicted }] as const;
  return { build, host, reason: 'cold', decidedAt: 0, predicted, considered };
}
