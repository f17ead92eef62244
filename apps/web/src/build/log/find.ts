import { plainOf } from './ansi.ts';

/** Lines looked at before other work of the page gets a turn. */
const AT_ONCE = 20_000;

/** Finds the lines that contain a text, in any case. Ends early without a result if `signal` aborts. */
export async function findLines(
  lines: readonly string[],
  text: string,
  signal: AbortSignal,
): Promise<readonly number[] | undefined> {
  const wanted = text.toLowerCase();
  const found: number[] = [];
  for (let at = 0; at < lines.length; at += AT_ONCE) {
    if (signal.aborted) return undefined;
    const end = Math.min(lines.length, at + AT_ONCE);
    for (let i = at; i < end; i += 1) {
      if (
        plainOf(lines[i] ?? '')
          .toLowerCase()
          .includes(wanted)
      )
        found.push(i);
    }
    if (end < lines.length) await new Promise((resolve) => setTimeout(resolve));
  }
  return found;
}
