import { UsageError } from '../io/errors.ts';

/** The error for a flag whose value is wrong. */
export function badFlag(flag: string, got: string, expected: string): UsageError {
  return new UsageError(`${flag}: got ${JSON.stringify(got)}, expected ${expected}`);
}

/** Reads the value of a flag that takes one of a few words. @throws UsageError */
export function oneOf<const T extends string>(flag: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((word) => word === text);
  if (found === undefined) throw badFlag(flag, text, allowed.join(', '));
  return found;
}

/** Reads a whole number from `min` to `max`. @throws UsageError */
export function wholeNumber(
  flag: string,
  text: string,
  { min, max, orElse = '' }: { readonly min: number; readonly max: number; readonly orElse?: string },
): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw badFlag(flag, text, `a whole number from ${min} to ${max}${orElse}`);
}

/** Reads the values of a repeatable flag that also takes a list with commas. @throws UsageError */
export function listOf<const T extends string>(flag: string, texts: readonly string[], allowed: readonly T[]): T[] {
  return texts.flatMap((text) => text.split(',')).map((text) => oneOf(flag, text, allowed));
}
