/** The longest wait that a server can ask for, ms: its clock may be wrong, and one bad value must not park a job for years. */
const MAX_WAIT_MS = 12 * 3_600_000;

/**
 * How long a `Retry-After` header asks to wait, ms, at most 12 hours: a number of seconds, or an HTTP date (RFC 9110, 10.2.3). Undefined
 * if the header is missing or is neither.
 */
export function retryAfterMs(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined;
  const text = value.trim();
  if (/^\d+$/.test(text)) return bounded(Number(text) * 1_000);
  // Dates have letters. `Date.parse` would take `-5` for a date, too.
  const date = /[A-Za-z]/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : bounded(date - nowMs);
}

/** `ms` limited to what a job may wait: not negative, at most 12 hours. */
export function bounded(ms: number): number {
  return Math.min(MAX_WAIT_MS, Math.max(0, ms));
}
