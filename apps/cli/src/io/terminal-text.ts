import { safeName, safeText } from '@kiln/contracts';
import sliceAnsi from 'slice-ansi';
import stringWidth from 'string-width';

const TAB_COLUMNS = 4;

/**
 * Makes a line of a build's output safe to show within a line of the CLI: keeps the text after the last carriage return (the newest
 * state of a progress bar) and, if wanted, colours. Removes all other control sequences: a build must not be able to move the cursor.
 */
export function tameLine(text: string, colours: boolean): string {
  const shown = text.split('\r').findLast((part) => part.trim() !== '') ?? '';
  const line = shown.replaceAll('\n', ' ').replaceAll('\t', ' '.repeat(TAB_COLUMNS));
  return colours ? safeText(line) : safeName(line);
}

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
