/**
 * How full Redis is. `full`: nothing new is accepted. `critical`: queued builds aren't placed either, so that those that run can
 * write their ends.
 */
export type MemoryLevel = 'ok' | 'full' | 'critical';

/** Shares of Redis' memory at which a level begins, and below which it ends: apart, so that a pool doesn't swing between two. */
export const MEMORY_SHARES = {
  full: { from: 0.85, until: 0.8 },
  critical: { from: 0.95, until: 0.9 },
} as const;

export interface MemoryUse {
  readonly usedBytes: number;
  /** Absent where nothing bounds it: the level is `ok` then. */
  readonly limitBytes?: number | undefined;
}

/** The level after `before`. */
export function memoryLevel({ usedBytes, limitBytes }: MemoryUse, before: MemoryLevel): MemoryLevel {
  if (limitBytes === undefined) return 'ok';
  const share = usedBytes / limitBytes;
  const { full, critical } = MEMORY_SHARES;
  if (share >= (before === 'critical' ? critical.until : critical.from)) return 'critical';
  return share >= (before === 'ok' ? full.from : full.until) ? 'full' : 'ok';
}

const MIB = 1024 * 1024;
/** Live logs have at most `share` of Redis' memory, and `mostBytes`, unless an operator says otherwise; never more than `mostShare`. */
const LIVE_LOGS = { share: 0.25, mostShare: 0.5, mostBytes: 256 * MIB } as const;

/** What live logs may hold in Redis. */
export interface LiveLogLimits {
  /** One log. */
  readonly logBytes: number;
  /** All logs together. */
  readonly allBytes: number;
}

/** What counts: the operator's settings, made to fit each other and Redis' memory. One log never has more than half of what all have. */
export function liveLogLimits(
  { logBytes, allBytes }: { readonly logBytes: number; readonly allBytes?: number | undefined },
  limitBytes: number | undefined,
): LiveLogLimits {
  const memory = limitBytes ?? Number.POSITIVE_INFINITY;
  const wanted = allBytes ?? Math.min(LIVE_LOGS.mostBytes, memory * LIVE_LOGS.share);
  const all = Math.floor(Math.min(wanted, memory * LIVE_LOGS.mostShare));
  return { logBytes: Math.min(logBytes, Math.floor(all / 2)), allBytes: all };
}
