/** The wait before the nth attempt after a failure, ms: doubles up to 15 s, with jitter so that not all pages come back at once. */
export function reconnectMs(failures: number, random: () => number): number {
  return Math.min(15_000, 500 * 2 ** Math.min(failures, 6)) * (0.5 + random() / 2);
}
