import sliceAnsi from 'slice-ansi';
import stringWidth from 'string-width';

/** Escape sequences: CSI, OSC (ended by BEL or ST), and two-character ones. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: this is what is looked for
const ESCAPES = /\u001b(?:\[([0-?]*)[ -/]*([@-~])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\^_])/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: this is what is looked for
const CONTROLS = /[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f]/g;
/** Cut off from its sequence. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: this is what is looked for
const LONE_ESCAPE = /\u001b(?!\[[0-?]*m)/g;
const TAB_COLUMNS = 4;
const RESET = '\u001b[0m';

/**
 * Makes a line of a build's output fit to be shown in a line of ours: what stands after the last carriage return (a progress bar's
 * newest state), colours if wanted, and no other control sequence: a build must not be able to move our cursor.
 */
export function tameLine(text: string, colours: boolean): string {
  const shown = text.split('\r').findLast((part) => part.trim() !== '') ?? '';
  const tamed = shown
    .replace(ESCAPES, (whole, _args, final) => (colours && final === 'm' ? whole : ''))
    .replaceAll('\t', ' '.repeat(TAB_COLUMNS))
    .replace(CONTROLS, '')
    .replace(LONE_ESCAPE, '');
  return tamed.includes('\u001b') ? `${tamed}${RESET}` : tamed;
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
