import { safeName, safeText } from '@kiln/contracts';

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
