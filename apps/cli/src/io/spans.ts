const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

/** Parses a time span such as `90d`, `12h` or `30m` into seconds. Returns undefined if the text isn't one. */
export function spanSeconds(text: string): number | undefined {
  const [, count, unit] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  return count === undefined || unit === undefined ? undefined : Number(count) * (UNIT_SECONDS[unit] ?? 0);
}
