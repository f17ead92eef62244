import { createHash, hash } from 'node:crypto';
import type { Digest } from '@kiln/trees';
import { type ContextDirectory, directoriesIn } from '../context-tree.ts';
import { PackedWriter } from '../packed-entries.ts';

const MAGIC = Buffer.from('kiln-directories-2\n');
const SHA256_BYTES = 32;
const RECORD_BYTES = 2 * SHA256_BYTES;
const PREFIX = 'sha256:';

/**
 * Digests of directories by their fingerprints. Two states of the file system with the same fingerprint have the same content, as far as equal states of
 * files mean equal contents, so that it doesn't matter where a directory is.
 */
export class DirectoryDigests {
  /** What the file has. */
  #known: ReadonlyMap<string, Digest>;
  /** What this process has found or added; only this is kept. */
  readonly #used = new Map<string, Digest>();
  #isForgotten = false;

  private constructor(known: ReadonlyMap<string, Digest>) {
    this.#known = known;
  }

  /** Reads what `encode` wrote. Anything else is as good as nothing. */
  static decode(bytes: Buffer | undefined): DirectoryDigests {
    const end = (bytes?.length ?? 0) - SHA256_BYTES;
    const known = new Map<string, Digest>();
    if (!bytes || end < MAGIC.length || (end - MAGIC.length) % RECORD_BYTES !== 0) return new DirectoryDigests(known);
    const isWhole = checksumOf(bytes.subarray(0, end)).equals(bytes.subarray(end));
    if (!isWhole || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return new DirectoryDigests(known);
    for (let at = MAGIC.length; at < end; at += RECORD_BYTES) {
      const digest = bytes.toString('hex', at + SHA256_BYTES, at + RECORD_BYTES);
      known.set(bytes.toString('hex', at, at + SHA256_BYTES), `${PREFIX}${digest}`);
    }
    return new DirectoryDigests(known);
  }

  /** Whether no earlier build has left anything. */
  get isNew(): boolean {
    return this.#known.size === 0;
  }

  /** Whether something has to be written. */
  get hasChanged(): boolean {
    if (this.#used.size !== this.#known.size) return true;
    for (const [fingerprint, digest] of this.#used) if (this.#known.get(fingerprint) !== digest) return true;
    return false;
  }

  find(fingerprint: string): Digest | undefined {
    const digest = this.#isForgotten ? undefined : this.#known.get(fingerprint);
    if (digest !== undefined) this.#used.set(fingerprint, digest);
    return digest;
  }

  put(fingerprint: string, digest: Digest): void {
    this.#used.set(fingerprint, digest);
  }

  /** Forgets all: a digest of some file was wrong. */
  forget(): void {
    this.#isForgotten = true;
    this.#used.clear();
  }

  encode(): Buffer {
    this.#known = new Map(this.#used);
    const records = [...this.#used].map(([fingerprint, digest]) => fingerprint + digest.slice(PREFIX.length));
    const content = Buffer.concat([MAGIC, Buffer.from(records.join(''), 'hex')]);
    return Buffer.concat([content, checksumOf(content)]);
  }
}

function checksumOf(content: Uint8Array): Buffer {
  return createHash('sha256').update(content).digest();
}

/** Makes the fingerprints of directories. */
export class Fingerprints {
  readonly #writer = new PackedWriter();

  /**
   * Returns a digest, in hexadecimal, of everything that the digest of a directory depends on: names, types and modes, the states of its files, the targets
   * of its links, and the digests of its directories. Undefined if a directory has no digest yet, or a file isn't one of the file system.
   */
  of(directory: ContextDirectory): string | undefined {
    const { packed } = directory;
    const bytes = packed && !packed.isOpened ? packed.bytes : this.#packed(directory);
    const digests: string[] = [];
    for (const { digest } of directoriesIn(directory)) {
      if (digest === undefined) return undefined;
      digests.push(digest.slice(PREFIX.length));
    }
    if (!bytes) return undefined;
    if (digests.length === 0) return hash('sha256', bytes, 'hex');
    return createHash('sha256').update(bytes).update(digests.join(''), 'hex').digest('hex');
  }

  #packed({ children }: ContextDirectory): Buffer | undefined {
    const writer = this.#writer;
    writer.clear();
    for (const child of children) {
      if (child.type === 'directory') writer.addDirectory(child);
      else if (child.type === 'symlink') writer.addLink(child.name, child.target, child);
      else if ('bytes' in child.content) return undefined;
      else writer.addFile(child.name, child.mode, child.state);
    }
    return writer.bytes;
  }
}
