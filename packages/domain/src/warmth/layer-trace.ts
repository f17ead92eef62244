import type { LayerRecord } from './attribution.ts';
import type { HeldLayers } from './inventory.ts';

/** The layers on a host that a repo's recent builds there used. */
export interface LayerTrace {
  /** End of the last such build, ms since the epoch. A layer's own last use may be by another repo. */
  readonly usedAt: number;
  /** By layer id, how many later builds of the repo didn't use it. */
  readonly missed: Readonly<Record<string, number>>;
}

/** A layer that this many builds in a row didn't use is forgotten. */
const FORGET_AFTER_MISSED = 3;
/** Those of the newest build, at most 100, are kept first. */
const MAX_LAYERS = 200;

/** Returns the trace after one more build of the repo on the host. @param endedAt ms since the epoch */
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

/** Returns what the host still has of the layers of a trace; undefined if nothing. */
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
