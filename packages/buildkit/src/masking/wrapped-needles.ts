import { Needle } from './needle.ts';

/** A shorter run of base64 characters across a line break could be a coincidence. */
const MIN_WRAPPED_CHARS = 16;
/** A line is held back only if this much of its end may be the beginning of a secret: a single character matches one line in five. */
const MIN_HELD_CHARS = 4;

/** A run of characters without a line break: where it begins in the stream, and in the stream without line breaks. */
interface Run {
  readonly at: number;
  readonly joinedAt: number;
}

/**
 * Finds secrets that contain a line break in a stream: `base64` breaks its output after 76 characters, openssl after 64. Ignores secrets with
 * characters other than base64's.
 */
export class WrappedNeedles {
  readonly #needles: readonly Needle[];
  /** Those in which a secret that isn't complete may begin. */
  #runs: Run[] = [];
  #length = 0;
  #joinedLength = 0;
  #isLineEmpty = true;
  /** Whether the stream ended with a carriage return, which may be the first half of a line break. */
  #hasReturn = false;

  constructor(needles: readonly string[]) {
    this.#needles = needles
      .filter((needle) => needle.length >= MIN_WRAPPED_CHARS && /^[\w+/=-]+$/.test(needle))
      .map((needle) => new Needle(needle));
  }

  /** Continues with the next part of the stream. Calls `onFound` with the range of each secret that ends in it, as offsets in the stream. */
  feed(part: string, onFound: (from: number, to: number) => void): void {
    const before = this.#joinedLength;
    const joined = this.#join(part);
    for (const needle of this.#needles) {
      needle.feed(joined, (end) => onFound(this.#at(before + end - needle.length), this.#at(before + end - 1) + 1));
    }
    const first = this.#joinedLength - this.#needles.reduce((most, { matched }) => Math.max(most, matched), 0);
    const keep = this.#runs.findLastIndex(({ joinedAt }) => joinedAt <= first);
    if (keep > 0) this.#runs.splice(0, keep);
  }

  /** The first offset from which the rest of the stream, without its line breaks, is a proper prefix of a secret. */
  get holdFrom(): number {
    const matched = this.#needles.reduce((most, needle) => Math.max(most, needle.matched), 0);
    return matched >= MIN_HELD_CHARS ? this.#at(this.#joinedLength - matched) : this.#length;
  }

  /** Begins a new stream. */
  reset(): void {
    for (const needle of this.#needles) needle.reset();
    this.#runs = [];
    this.#length = 0;
    this.#joinedLength = 0;
    this.#isLineEmpty = true;
    this.#hasReturn = false;
  }

  /** The offset in the stream of a character of the stream without line breaks. */
  #at(joinedAt: number): number {
    const run = this.#runs.findLast((each) => each.joinedAt <= joinedAt);
    return run ? run.at + joinedAt - run.joinedAt : 0;
  }

  /** Removes line breaks, but not those of empty lines. */
  #join(part: string): string {
    const start = this.#length;
    this.#length += part.length;
    if (this.#needles.length === 0) return '';
    let joined = '';
    const add = (text: string, at: number) => {
      this.#runs.push({ at, joinedAt: this.#joinedLength });
      this.#joinedLength += text.length;
      joined += text;
    };
    for (let from = 0; from < part.length; ) {
      if (this.#hasReturn && part[from] !== '\n') {
        add('\r', start + from - 1);
        this.#isLineEmpty = false;
      }
      this.#hasReturn = false;
      const end = part.indexOf('\n', from);
      const lineEnd = end === -1 ? part.length : end;
      const textEnd = lineEnd > from && part[lineEnd - 1] === '\r' ? lineEnd - 1 : lineEnd;
      if (textEnd > from) {
        add(part.slice(from, textEnd), start + from);
        this.#isLineEmpty = false;
      }
      if (end === -1) {
        this.#hasReturn = textEnd < lineEnd;
        break;
      }
      if (this.#isLineEmpty) add('\n', start + end);
      this.#isLineEmpty = true;
      from = end + 1;
    }
    return joined;
  }
}
