/**
 * How full Redis is. `full`: nothing new is accepted. `critical`: queued builds aren't placed either, so that running builds can
 * still write their ends.
 */
export type MemoryLevel = 'ok' | 'full' | 'critical';

/** The shares of Redis' memory at which a level begins, and below which it ends. They differ so that a pool doesn't oscillate between two levels. */
export const MEMORY_SHARES = {
  full: { from: 0.85, until: 0.8 },
  critical: { from: 0.95, until: 0.9 },
} as const;

export interface MemoryUse {
  readonly usedBytes: number;
  /** Absent if Redis has no limit; the level is then always `ok`. */
  readonly limitBytes?: number | undefined;
}

/** Returns the current level. @param before the previous level */
export function memoryLevel({ usedBytes, limitBytes }: MemoryUse, before: MemoryLevel): MemoryLevel {
  if (limitBytes === undefined) return 'ok';
  const share = usedBytes / limitBytes;
  const { full, critical } = MEMORY_SHARES;
  if (share >= (before === 'critical' ? critical.until : critical.from)) return 'critical';
  return share >= (before === 'ok' ? full.from : full.until) ? 'full' : 'ok';
}

const MIB = 1024 * 1024;
/** By default live logs may use `share` of Redis' memory, but at most `mostBytes`. An operator may set up to `mostShare`. */
const LIVE_LOGS = { share: 0.25, mostShare: 0.5, mostBytes: 256 * MIB } as const;

/** How much of Redis' memory live logs may use. */
export interface LiveLogLimits {
  /** For one log. */
  readonly logBytes: number;
  /** For all logs together. */
  readonly allBytes: number;
}

/** Adapts the operator's settings to each other and to Redis' memory. One log never gets more than half of what all may use. */
export function liveLogLimits(
  { logBytes, allBytes }: { readonly logBytes: number; readonly allBytes?: number | undefined },
  limitBytes: number | undefined,
): LiveLogLimits {
  const memory = limitBytes ?? Number.POSITIVE_INFINITY;
  const wanted = allBytes ?? Math.min(LIVE_LOGS.mostBytes, memory * LIVE_LOGS.share);
  const all = Math.floor(Math.min(wanted, memory * LIVE_LOGS.mostShare));
  return { logBytes: Math.min(logBytes, Math.floor(all / 2)), allBytes: all };
}
