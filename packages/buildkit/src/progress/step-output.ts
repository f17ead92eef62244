import { StringDecoder } from 'node:string_decoder';
import type { OutputRecord } from '@kiln/contracts';
import { SecretMasker } from '../masking/mask-secrets.ts';

/** Keeps single entries small for what is behind the sink: Redis, event streams. */
const MAX_RECORD_CHARS = 64 * 1024;

/** Turns one stream of a step into records: never splits a character, and masks secrets across chunks. */
export class StepOutput {
  readonly #step: number;
  readonly #stream: OutputRecord['stream'];
  readonly #utf8 = new StringDecoder('utf8');
  readonly #masker: SecretMasker;
  #lastAt = 0;

  constructor(step: number, stream: OutputRecord['stream'], needles: readonly string[]) {
    this.#step = step;
    this.#stream = stream;
    this.#masker = new SecretMasker(needles);
  }

  push(data: Buffer, at: number): OutputRecord[] {
    this.#lastAt = at;
    return this.#records(this.#masker.push(this.#utf8.write(data)));
  }

  /** Returns what was held back, after the step has ended. */
  end(): OutputRecord[] {
    return this.#records(this.#masker.push(this.#utf8.end()) + this.#masker.end());
  }

  #records(text: string): OutputRecord[] {
    return split(text).map((data) => ({
      t: this.#lastAt,
      type: 'output',
      step: this.#step,
      stream: this.#stream,
      data,
    }));
  }
}

/** Splits into pieces of at most `MAX_RECORD_CHARS`, never within a surrogate pair. */
function split(text: string): string[] {
  const pieces: string[] = [];
  for (let from = 0; from < text.length; ) {
    let to = Math.min(text.length, from + MAX_RECORD_CHARS);
    const last = text.charCodeAt(to - 1);
    if (to < text.length && last >= 0xd800 && last <= 0xdbff) to--;
    pieces.push(text.slice(from, to));
    from = to;
  }
  return pieces;
}
