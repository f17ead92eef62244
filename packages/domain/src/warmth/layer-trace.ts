import type { LayerRecord } from './attribution.ts';
import type { HeldLayers } from './inventory.ts';

/** Which layer records of a host a repo's recent builds there used. */
export interface LayerTrace {
  /** End of the last such build, ms since the epoch. A layer's own last use may be another repo's. */
  readonly usedAt: number;
  /** Record id → how many builds of the repo have used others since. */
  readonly missed: Readonly<Record<string, number>>;
}

/** A layer that so many builds in a row didn't use is of no use to the next one. */
const FORGET_AFTER_MISSED = 3;
/** The newest build's first; it has at most 100. */
const MAX_LAYERS = 200;

/** The trace after one more build of the repo on the host, which ended at `endedAt`. */
export function learnLayers(
  before: LayerTrace | undefined,
  used: readonly LayerRecord[],
  endedAt: number,
): LayerTrace | undefined {
  if (used.length === 0) return before;
  const now = new Set(used.map(({ id }) => id));
  const kept = Object.entries(before?.missed ?? {})
    .filter(([id, missed]) => !now.has(id) && missed < FORGET_AFTER_MISSED)
    .map(([id, missed]) => [id, missed + 1] as const);
  const fresh = used.map(({ id }) => [id, 0] as const);
  return { usedAt: endedAt, missed: Object.fromEntries([...fresh, ...kept].slice(0, MAX_LAYERS)) };
}

/** What the host still has of a trace; undefined where that is nothing. */
export function heldLayers(
  { usedAt, missed }: LayerTrace,
  layers: ReadonlyMap<string, LayerRecord>,
): HeldLayers | undefined {
  const held = Object.keys(missed)
    .map((id) => layers.get(id))
    .filter((layer) => layer !== undefined);
  if (held.length === 0) return undefined;
  return { bytes: held.reduce((sum, { bytes }) => sum + bytes, 0), lastUsedAt: usedAt };
}
