import sliceAnsi from 'slice-ansi';
import stringWidth from 'string-width';

/** Truncates text to a number of columns and marks the cut with `…`. Handles colours and wide characters. */
export function fit(text: string, columns: number): string {
  if (columns <= 0) return '';
  if (text.length <= columns && isPlainAscii(text)) return text;
  if (stringWidth(text) <= columns) return text;
  return `${sliceAnsi(text, 0, columns - 1)}…`;
}

/** Puts `left` and `right` at the two ends of a line. If there isn't room for both, `left` is truncated. */
export function spread(left: string, right: string, columns: number): string {
  const rightWidth = stringWidth(right);
  if (rightWidth + 2 > columns) return fit(left, columns);
  const shown = fit(left, columns - rightWidth - 1);
  return `${shown}${' '.repeat(columns - rightWidth - stringWidth(shown))}${right}`;
}

function isPlainAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}
