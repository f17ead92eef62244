import { pipeline } from 'node:stream/promises';
import { createGunzip, type Gunzip } from 'node:zlib';
import { Complaint, codeOf, fieldComplaint } from '../http/complaint.ts';
import { BadEntry, ContextTree } from './context-tree.ts';
import { shortened, TarFault, TarWalker } from './tar-walker.ts';

export interface ContextLimits {
  readonly maxUnpackedContextBytes: number;
  readonly maxContextEntries: number;
}

const EXPECTED = 'a tar or a gzipped tar';
const MAGIC_BYTES = 2;

/**
 * Looks through a context while it arrives: tar or gzipped tar, told apart by the first bytes. Holds names, no content.
 * All methods throw Complaint `context_invalid` or `context_incomplete`.
 */
export class ContextInspector implements Disposable {
  readonly tree: ContextTree;
  readonly #walker: TarWalker;
  readonly #limits: ContextLimits;
  #unpackedBytes = 0;
  /** The first bytes, until there are enough of them to tell the format; undefined afterwards. */
  #head: Buffer | undefined = Buffer.alloc(0);
  #gunzip: Gunzip | undefined;
  #gunzipped: Promise<void> = Promise.resolve();

  constructor(limits: ContextLimits) {
    this.#limits = limits;
    this.tree = new ContextTree(limits.maxContextEntries);
    this.#walker = new TarWalker((entry) => this.tree.add(entry));
  }

  /** Takes the next piece; comes back when there is room for more. */
  async write(chunk: Buffer): Promise<void> {
    if (this.#head) {
      this.#head = Buffer.concat([this.#head, chunk]);
      if (this.#head.length < MAGIC_BYTES) return;
      chunk = this.#head;
      this.#head = undefined;
      if (chunk[0] === 0x1f && chunk[1] === 0x8b) this.#openGunzip();
    }
    const gunzip = this.#gunzip;
    if (!gunzip) return this.#walk(chunk);
    if (gunzip.destroyed) return this.#gunzipped;
    if (gunzip.write(chunk)) return;
    await Promise.race([new Promise((resolve) => gunzip.once('drain', resolve)), this.#gunzipped]);
  }

  /** All has arrived: judges the whole. */
  async end(): Promise<void> {
    this.#gunzip?.end();
    await this.#gunzipped;
    if (this.#unpackedBytes === 0) throw fieldComplaint('context_invalid', 'context', 'nothing', EXPECTED);
    if (!this.#walker.isWhole()) throw incomplete('the tar is cut off');
    this.#judged(() => this.tree.check());
  }

  [Symbol.dispose](): void {
    this.#gunzip?.destroy();
  }

  #openGunzip(): void {
    const gunzip = createGunzip();
    this.#gunzip = gunzip;
    this.#gunzipped = pipeline(gunzip, async (source: AsyncIterable<Buffer>) => {
      for await (const chunk of source) this.#walk(chunk);
    }).catch((error: unknown) => {
      throw asComplaint(error);
    });
    // Whoever writes or ends sees the error; until then it is nobody's.
    this.#gunzipped.catch(() => {});
  }

  #walk(chunk: Buffer): void {
    this.#unpackedBytes += chunk.length;
    const max = this.#limits.maxUnpackedContextBytes;
    if (this.#unpackedBytes > max) {
      throw fieldComplaint(
        'context_invalid',
        'context',
        `more than ${max} bytes when unpacked`,
        `at most ${max} bytes when unpacked`,
      );
    }
    this.#judged(() => this.#walker.write(chunk));
  }

  #judged(work: () => void): void {
    try {
      work();
    } catch (error) {
      throw asComplaint(error);
    }
  }
}

export function incomplete(what: string): Complaint {
  return new Complaint('context_incomplete', `${what}; nothing was accepted`, {
    errors: [{ field: 'context', got: what, expected: 'the whole context' }],
  });
}

function asComplaint(error: unknown): unknown {
  if (error instanceof BadEntry) {
    return fieldComplaint('context_invalid', ['context', shortened(error.entry)], error.got, error.expected);
  }
  if (error instanceof TarFault) return fieldComplaint('context_invalid', 'context', error.message, EXPECTED);
  if (codeOf(error) === 'Z_BUF_ERROR') return incomplete('the gzip stream is cut off');
  if (codeOf(error) === 'Z_DATA_ERROR')
    return fieldComplaint('context_invalid', 'context', 'a damaged gzip stream', EXPECTED);
  return error;
}
