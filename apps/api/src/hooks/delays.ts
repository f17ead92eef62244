/** The longest delay between tries, ms. */
const MAX_DELAY_MS = 10 * 60_000;
const HOUR_MS = 3_600_000;

/** Delays that double with each try, up to ten minutes, plus a jitter of up to a quarter. */
export function doubling(firstMs: number, random: () => number): (tries: number) => number {
  return (tries) => Math.round(Math.min(MAX_DELAY_MS, firstMs * 2 ** (tries - 1)) * (1 + random() / 4));
}

/** The delays after a message's tries, ms: 5 s to 12 hours, about a day together. */
const MESSAGE_DELAYS_MS = [5_000, 30_000, 120_000, 600_000, 1_800_000, HOUR_MS, 3 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS];
const FIRST_MS = 1_000;

/** The delays that Standard Webhooks recommends, scaled by `firstMs` / 1,000: only tests use another value than 1,000. */
export function messageDelay(firstMs: number): (tries: number) => number {
  return (tries) => ((MESSAGE_DELAYS_MS[tries - 1] ?? 12 * HOUR_MS) * firstMs) / FIRST_MS;
}
