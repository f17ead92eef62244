/** Masking shorter values would make logs unreadable, and they are too short to be secrets. */
export const MIN_MASKED_CHARS = 4;

/** Returns whether logs hide this value. White space around it doesn't count. */
export function isMasked(value: string): boolean {
  return value.trim().length >= MIN_MASKED_CHARS;
}
