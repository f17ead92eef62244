/** What a check is about. */
export const CHECK_AREAS = [
  'server',
  'redis',
  'clock',
  'scheduler',
  'host',
  'engine',
  'disk',
  'certificate',
  'registry',
  'forge',
  'port',
] as const;
export type CheckArea = (typeof CHECK_AREAS)[number];

/** `warning`: it works, but something should be done. `problem`: builds fail, wait or can be lost. `unknown`: it could not be checked. */
export const CHECK_STATUSES = ['ok', 'warning', 'problem', 'unknown'] as const;
export type CheckStatus = (typeof CHECK_STATUSES)[number];

/** The result of one check. */
export interface Check {
  readonly area: CheckArea;
  /** What was checked: a host, a registry, a setting. */
  readonly subject: string;
  readonly status: CheckStatus;
  /** What was found. */
  readonly found: string;
  /** What to do, unless it is `ok`. */
  readonly advice?: string;
}

const CLOCK_MS = { warning: 2_000, problem: 30_000 };

/** Checks how far a clock is off. @param offsetMs ahead of the other one, negative if behind @param errorMs how exactly that is known */
export function checkClock(subject: string, offsetMs: number, errorMs: number, other: string): Check {
  const offMs = Math.max(0, Math.abs(offsetMs) - errorMs);
  const status = offMs >= CLOCK_MS.problem ? 'problem' : offMs >= CLOCK_MS.warning ? 'warning' : 'ok';
  const seconds = (offMs / 1000).toFixed(1);
  return {
    ...{ area: 'clock', subject, status },
    found: status === 'ok' ? `agrees with ${other}` : `${seconds} s ${offsetMs > 0 ? 'ahead of' : 'behind'} ${other}`,
    ...(status !== 'ok' && { advice: 'synchronize the clocks of all machines, for example with chrony' }),
  };
}

const DAY_MS = 24 * 3_600_000;
/** How long before its end a certificate is warned of. */
const SOON_DAYS = 14;

/** Checks when a certificate ends. @param expiresAt ms since the epoch */
export function checkExpiry(subject: string, expiresAt: number, now: number): Check {
  const days = Math.floor((expiresAt - now) / DAY_MS);
  const date = new Date(expiresAt).toISOString().slice(0, 'YYYY-MM-DD'.length);
  if (expiresAt <= now)
    return {
      ...{ area: 'certificate', subject, status: 'problem', found: `expired on ${date}` },
      advice: 'renew it; connections that it secures fail',
    };
  if (days < SOON_DAYS)
    return {
      ...{ area: 'certificate', subject, status: 'warning', found: `expires on ${date}, in ${days} days` },
      advice: 'renew it',
    };
  return { area: 'certificate', subject, status: 'ok', found: `valid until ${date}` };
}

const DISK_SHARES = { warning: 0.1, problem: 0.03 };
const GB = 1_000_000_000;

/** Checks how much of a disk is free. */
export function checkDisk(subject: string, freeBytes: number, totalBytes: number): Check {
  const share = totalBytes > 0 ? freeBytes / totalBytes : 1;
  const status = share < DISK_SHARES.problem ? 'problem' : share < DISK_SHARES.warning ? 'warning' : 'ok';
  const found = `${(freeBytes / GB).toFixed(1)} of ${(totalBytes / GB).toFixed(1)} GB are free`;
  return {
    ...{ area: 'disk', subject, status, found },
    ...(status !== 'ok' && { advice: 'free space, or lower KILN_CACHE_BUDGET on that host' }),
  };
}
