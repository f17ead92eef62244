import { safeName, safeText } from '@kiln/contracts';
import sliceAnsi from 'slice-ansi';
import stringWidth from 'string-width';

const TAB_COLUMNS = 4;

/**
 * Makes a line of a build's output fit to be shown in a line of ours: what stands after the last carriage return (a progress bar's
 * newest state), colours if wanted, and no other control sequence: a build must not be able to move our cursor.
 */
export function tameLine(text: string, colours: boolean): string {
  const shown = text.split('\r').findLast((part) => part.trim() !== '') ?? '';
  const line = shown.replaceAll('\n', ' ').replaceAll('\t', ' '.repeat(TAB_COLUMNS));
  return colours ? safeText(line) : safeName(line);
}

/** Cuts to so many columns, with `…` where something is missing. Knows colours and wide characters. */
export function fit(text: string, columns: number): string {
  if (columns <= 0) return '';
  if (text.length <= columns && isPlainAscii(text)) return text;
  if (stringWidth(text) <= columns) return text;
  return `${sliceAnsi(text, 0, columns - 1)}…`;
}

/** `left` and `right` at the two ends of a line of so many columns; `left` gives way. */
export function spread(left: string, right: string, columns: number): string {
  const rightWidth = stringWidth(right);
  if (rightWidth + 2 > columns) return fit(left, columns);
  const shown = fit(left, columns - rightWidth - 1);
  return `${shown}${' '.repeat(columns - rightWidth - stringWidth(shown))}${right}`;
}

function isPlainAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}
