const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

/** Parses a duration such as `90s`, `1h30m` or `2w` to whole seconds; undefined if it isn't one. Units: s, m, h, d, w. */
export function parseDuration(text: string): number | undefined {
  let seconds = 0;
  let end = 0;
  for (const [part, count, unit = ''] of text.matchAll(/(\d{1,9})([smhdw])/gy)) {
    seconds += Number(count) * (SECONDS[unit] ?? 0);
    end += part.length;
  }
  return end === text.length && end > 0 && Number.isSafeInteger(seconds) ? seconds : undefined;
}

const POWERS: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4 };

/**
 * Parses a size such as `512m`, `1.5GB` or `2GiB` to bytes; undefined if it isn't one. Units, in upper or lower case: b, k, m, g, t, each
 * also with `b` or `ib` appended.
 * @param base what k, m, g and t count: 1000 as in the sizes that buildx prints, or 1024 as in docker's flags. KiB, MiB … always count 1024
 */
export function parseBytes(text: string, base: 1000 | 1024): number | undefined {
  const [, number, unit = '', binary] = /^(\d{1,15}(?:\.\d{1,15})?) *([kmgt]?)(i?)b?$/i.exec(text) ?? [];
  const power = POWERS[unit.toLowerCase()];
  if (number === undefined || power === undefined) return undefined;
  const bytes = Math.round(Number(number) * (binary ? 1024 : base) ** power);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
