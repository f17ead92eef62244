import type { PlacementDecision } from '@kiln/domain';

/** A decision as a leader may have made it, for tests that place builds by themselves. */
export function decisionFor(build: string, host: string): PlacementDecision {
  return { build, host, reason: 'cold', decidedAt: 0, considered: [] };
}
