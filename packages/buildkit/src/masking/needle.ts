/** Characters by which a place is found where a text may begin. */
const HEAD = 6;

/**
 * A text that is looked for in a stream, as Knuth, Morris and Pratt do: in time linear in the stream, whatever either of them repeats, without looking at
 * earlier parts again. Where nothing is matched, it jumps to the text's first characters.
 */
export class Needle {
  readonly #text: string;
  readonly #head: string;
  /** For each length of a matched prefix, the length of its longest proper suffix that is a prefix, too. Extended when needed: most texts are never met. */
  #borders: Uint32Array | undefined;
  /** Up to which length these are known. */
  #known = 1;
  #matched = 0;

  constructor(text: string) {
    this.#text = text;
    this.#head = text.slice(0, HEAD);
  }

  get length(): number {
    return this.#text.length;
  }

  /** How many characters at the end of the stream are a proper prefix of the text: the most. */
  get matched(): number {
    return this.#matched;
  }

  /** Continues with the next part of the stream. Calls `onEnd` with the offset in `part` at which an occurrence ends, for each, also those that overlap. */
  feed(part: string, onEnd: (end: number) => void): void {
    const text = this.#text;
    let matched = this.#matched;
    for (let i = 0; i < part.length; ) {
      if (matched === 0) {
        const at = part.indexOf(this.#head, i);
        // The last characters may still be the beginning of the head.
        i = at === -1 ? Math.max(i, part.length - this.#head.length + 1) : at + this.#head.length;
        if (at !== -1) matched = this.#head.length;
      }
      if (matched < text.length) {
        if (i >= part.length) break;
        const code = part.charCodeAt(i++);
        while (matched > 0 && text.charCodeAt(matched) !== code) matched = this.#border(matched);
        if (text.charCodeAt(matched) === code) matched += 1;
      }
      if (matched === text.length) {
        onEnd(i);
        matched = this.#border(matched);
      }
    }
    this.#matched = matched;
  }

  /** Begins a new stream. */
  reset(): void {
    this.#matched = 0;
  }

  #border(length: number): number {
    let borders = this.#borders ?? new Uint32Array(16);
    for (let n = this.#known; n < length; n++) {
      let border = borders[n] ?? 0;
      while (border > 0 && this.#text[border] !== this.#text[n]) border = borders[border] ?? 0;
      if (this.#text[border] === this.#text[n]) border += 1;
      if (n + 1 >= borders.length) borders = grown(borders, this.#text.length + 1);
      borders[n + 1] = border;
    }
    this.#known = Math.max(this.#known, length);
    this.#borders = borders;
    return borders[length] ?? 0;
  }
}

function grown(old: Uint32Array, most: number): Uint32Array {
  const larger = new Uint32Array(Math.min(most, old.length * 2));
  larger.set(old.subarray(0, Math.min(old.length, larger.length)));
  return larger;
}
