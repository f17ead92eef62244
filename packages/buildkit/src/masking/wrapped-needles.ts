/** A shorter run of base64 characters across a line break could be a coincidence. */
const MIN_WRAPPED_CHARS = 16;
/** A line is held back only if this much of its end may be the beginning of a secret: a single character matches one line in five. */
const MIN_HELD_CHARS = 4;

/**
 * Finds secrets that contain a line break: `base64` breaks its output after 76 characters, openssl after 64. Ignores secrets with
 * characters other than base64's.
 */
export class WrappedNeedles {
  /** Also without their first few characters, which may already have been returned at the end of a line. */
  readonly #needles: readonly string[];

  constructor(needles: readonly string[]) {
    this.#needles = needles
      .filter((needle) => needle.length >= MIN_WRAPPED_CHARS && /^[\w+/=-]+$/.test(needle))
      .flatMap((needle) => Array.from({ length: MIN_HELD_CHARS }, (_, from) => needle.slice(from)));
  }

  /** Returns their ranges in `text`. */
  find(text: string): [number, number][] {
    const joined = this.#join(text);
    if (!joined) return [];
    return this.#needles.flatMap((needle) => {
      const found: [number, number][] = [];
      for (let at = joined.text.indexOf(needle); at !== -1; at = joined.text.indexOf(needle, at + 1)) {
        found.push([joined.at[at] ?? 0, (joined.at[at + needle.length - 1] ?? 0) + 1]);
      }
      return found;
    });
  }

  /** Returns the first position from which the rest of `text`, without its line breaks, is a proper prefix of a secret. */
  holdFrom(text: string): number {
    const joined = this.#join(text);
    if (!joined) return text.length;
    const { length } = joined.text;
    let hold = length;
    for (const needle of this.#needles) {
      const head = needle.slice(0, MIN_HELD_CHARS);
      let at = joined.text.indexOf(head, Math.max(0, length - needle.length + 1));
      while (at !== -1 && at < hold) {
        if (needle.startsWith(joined.text.slice(at))) hold = at;
        at = joined.text.indexOf(head, at + 1);
      }
    }
    return hold < length ? (joined.at[hold] ?? text.length) : text.length;
  }

  /** Removes line breaks, but not empty lines, and notes each character's position; undefined if there is nothing to look for. */
  #join(text: string): { readonly text: string; readonly at: Uint32Array } | undefined {
    if (this.#needles.length === 0 || !/\n|\r$/.test(text)) return undefined;
    const at = new Uint32Array(text.length);
    let joined = '';
    for (let from = 0; from < text.length; ) {
      const end = text.indexOf('\n', from);
      const lineEnd = end === -1 ? text.length : end;
      const line = text.slice(from, text[lineEnd - 1] === '\r' ? Math.max(from, lineEnd - 1) : lineEnd);
      for (let i = 0; i < line.length; i++) at[joined.length + i] = from + i;
      joined += line;
      if (line === '' && end !== -1) {
        at[joined.length] = end;
        joined += '\n';
      }
      from = lineEnd + 1;
    }
    return { text: joined, at };
  }
}
