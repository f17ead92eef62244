/** Colours and weights (SGR), as programs print them. Other sequences of xterm that end in `m` contain a `>` or `?`. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this matches
const SGR = /^\u001b\[[0-9;:]*m$/;
/**
 * All control sequences of terminals (ECMA-48), complete or truncated: strings that set titles, clipboards or more (OSC, DCS, SOS, PM, APC) up to
 * their end, sequences that move the cursor or change modes (CSI), other escapes, and single control characters. In each sequence only the end is
 * optional and no part begins like the next one, so matching takes linear time.
 */
const ORDERS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this matches
  /(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c\n]*(?:\u0007|\u001b\\|\u009c)?|(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?|\u001b[ -/]*[0-~]?|[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f]/g;
const RESET = '\u001b[0m';

/**
 * Makes untrusted text (a build's output, names, content from a forge) safe for a terminal: keeps colours, line ends and tabs, and removes all
 * other control sequences and characters. A line with colours gets a reset at its end.
 */
export function safeText(text: string): string {
  const kept = text.replace(ORDERS, (order) => (SGR.test(order) ? order : ''));
  return kept.includes('\u001b') ? kept.split('\n').map(closed).join('\n') : kept;
}

/** Like `safeText`, but in one line and without colours: for names. */
export function safeName(text: string): string {
  return text.replace(ORDERS, (order) => (order === '\r' ? ' ' : '')).replace(/[\n\t]/g, ' ');
}

/**
 * Splits a line of output at carriage returns. A terminal would overwrite the line there, including Kiln's own prefix, so what follows is shown in
 * the next line.
 */
export function safeLines(line: string): string[] {
  const parts = line.split('\r');
  const shown = parts.filter((part) => part.trim() !== '');
  return (shown.length === 0 ? parts.slice(0, 1) : shown).map(safeText);
}

function closed(line: string): string {
  return line.includes('\u001b') && !line.endsWith(RESET) && !line.endsWith('\u001b[m') ? `${line}${RESET}` : line;
}
