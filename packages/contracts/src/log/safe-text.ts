/** Colours and weights (SGR), as programs print them; xterm's others that end in `m` have a `>` or `?` in them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: this is what is looked for
const SGR = /^\u001b\[[0-9;:]*m$/;
/**
 * All that a terminal takes for orders (ECMA-48), whole or cut off: strings that set titles, clipboards or more (OSC, DCS, SOS, PM, APC) up to their
 * end, sequences that move the cursor or change modes (CSI), other escapes; then single control characters. Of each sequence only an ending is optional
 * and no part begins like the next one, so it takes linear time.
 */
const ORDERS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is what is looked for
  /(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c\n]*(?:\u0007|\u001b\\|\u009c)?|(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?|\u001b[ -/]*[0-~]?|[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f]/g;
const RESET = '\u001b[0m';

/**
 * Text of others (a build's output, names, what a forge sent) made fit for a terminal: colours stay, line ends and tabs too, and every other control
 * sequence and character goes. A line that has colours ends with a reset, so that they end with it.
 */
export function safeText(text: string): string {
  const kept = text.replace(ORDERS, (order) => (SGR.test(order) ? order : ''));
  return kept.includes('\u001b') ? kept.split('\n').map(closed).join('\n') : kept;
}

/** As `safeText`, in one line and without colours: for names and the like. */
export function safeName(text: string): string {
  return text.replace(ORDERS, (order) => (order === '\r' ? ' ' : '')).replace(/[\n\t]/g, ' ');
}

/**
 * A line of output as the lines that it is shown in. A carriage return within it would have a terminal write over what stands there, Kiln's own words
 * too: what follows one is shown below.
 */
export function safeLines(line: string): string[] {
  const parts = line.split('\r');
  const shown = parts.filter((part) => part.trim() !== '');
  return (shown.length === 0 ? parts.slice(0, 1) : shown).map(safeText);
}

function closed(line: string): string {
  return line.includes('\u001b') && !line.endsWith(RESET) && !line.endsWith('\u001b[m') ? `${line}${RESET}` : line;
}
