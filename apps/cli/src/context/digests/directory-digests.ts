import { createHash, hash } from 'node:crypto';
import type { Digest } from '@kiln/trees';
import type { ContextDirectory } from '../context-tree.ts';

const MAGIC = Buffer.from('kiln-directories-1\n');
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

/** For an entry, besides its name or link target: type, mode, length of the name, and a state or digest. */
const ENTRY_BYTES = 8 + Math.max(4 * 8, SHA256_BYTES);
const TYPES = { file: 1, directory: 2, symlink: 3 } as const;

/** Makes the fingerprints of directories. */
export class Fingerprints {
  #buffer = Buffer.allocUnsafe(64 * 1024);
  #view = viewOf(this.#buffer);

  /**
   * Returns a digest, in hexadecimal, of everything that the digest of a directory depends on: names, types and modes, the states of its files, the targets
   * of its links, and the digests of its directories. Undefined if a directory has no digest yet, or a file isn't one of the file system.
   */
  of({ children }: ContextDirectory): string | undefined {
    let at = 0;
    for (const child of children) {
      const text = child.type === 'symlink' ? child.target : '';
      this.#grow(at + ENTRY_BYTES + child.name.length + text.length);
      const view = this.#view;
      view.setUint8(at, TYPES[child.type]);
      view.setUint16(at + 1, child.type === 'symlink' ? text.length : child.mode);
      view.setUint16(at + 3, child.name.length);
      at += 5;
      at += this.#buffer.write(child.name, at, 'latin1');
      if (child.type === 'symlink') at += this.#buffer.write(text, at, 'latin1');
      else if (child.type === 'directory') {
        if (child.digest === undefined) return undefined;
        at += this.#buffer.write(child.digest.slice(PREFIX.length), at, 'hex');
      } else {
        if ('bytes' in child.content) return undefined;
        const { sizeBytes, mtimeNs, ctimeNs, inode } = child.state;
        view.setFloat64(at, sizeBytes);
        // Of more than 64 bits it keeps the lower ones: two times that it can't tell apart are centuries from each other.
        view.setBigInt64(at + 8, mtimeNs);
        view.setBigInt64(at + 16, ctimeNs);
        view.setBigInt64(at + 24, inode);
        at += 32;
      }
    }
    return hash('sha256', this.#buffer.subarray(0, at), 'hex');
  }

  #grow(bytes: number): void {
    if (bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(bytes, 2 * this.#buffer.length));
    this.#buffer.copy(larger);
    this.#buffer = larger;
    this.#view = viewOf(larger);
  }
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}
