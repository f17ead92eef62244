/** Shorter values would blot out half of any log, and are no secrets. */
export const MIN_MASKED_CHARS = 4;

/** Whether a log hides this value at all. White space around it doesn't count. */
export function isMasked(value: string): boolean {
  return value.trim().length >= MIN_MASKED_CHARS;
}
