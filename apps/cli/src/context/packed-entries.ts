import type { BigIntStats } from 'node:fs';
import type { ByteString } from '@kiln/trees';
import type { ContextDirectory, ContextFile, ContextLink, ContextNode, Packed } from './context-tree.ts';
import { type FileState, permissionsOf, stateOf } from './file-state.ts';
import { childPath, type SystemPath } from './system-path.ts';

const FILE = 1;
const DIRECTORY = 2;
const SYMLINK = 3;
/** Type, mode, and lengths of name and target, which follow. */
const HEAD_BYTES = 7;
/** Size, times and inode of a file. */
const FILE_BYTES = 4 * 8;
/** Time of a link. */
const LINK_BYTES = 8;
const FIRST_BYTES = 4 * 1024;
/** The year 2262: what a field of 64 bits keeps of a later time, in ns, is another time, centuries away. */
const LATEST = 2n ** 63n - 1n;

export interface PackedEntriesOptions
  extends Pick<Packed, 'bytes' | 'directories' | 'files' | 'sizeBytes' | 'hasLinks'> {
  /** Where the directory is. */
  readonly system: SystemPath;
  /** Of files and links with a time for which there is no room, by name. */
  readonly late: ReadonlyMap<ByteString, BigIntStats>;
}

/**
 * The entries of a directory as bytes. Most directories are as they were when their digests were remembered: to find that out takes a hash of these bytes,
 * and objects for all of their files would cost more than listing them.
 */
export class PackedEntries implements Packed {
  readonly bytes: Buffer;
  readonly directories: readonly ContextDirectory[];
  readonly files: number;
  readonly sizeBytes: number;
  readonly hasLinks: boolean;
  readonly #system: SystemPath;
  readonly #late: ReadonlyMap<ByteString, BigIntStats>;
  #children: readonly ContextNode[] | undefined;

  constructor({ bytes, directories, files, sizeBytes, hasLinks, system, late }: PackedEntriesOptions) {
    this.bytes = bytes;
    this.directories = directories;
    this.files = files;
    this.sizeBytes = sizeBytes;
    this.hasLinks = hasLinks;
    this.#system = system;
    this.#late = late;
  }

  get isOpened(): boolean {
    return this.#children !== undefined;
  }

  /** Returns the entries, the same objects each time. */
  children(): readonly ContextNode[] {
    this.#children ??= this.#unpack();
    return this.#children;
  }

  *fileNames(): Generator<ByteString> {
    for (const { type, name } of this.#heads()) if (type === FILE) yield name;
  }

  #unpack(): readonly ContextNode[] {
    const { bytes } = this;
    const children: ContextNode[] = [];
    let directories = 0;
    for (const { type, mode, name, target, at } of this.#heads()) {
      const late = this.#late.get(name);
      if (type === DIRECTORY) {
        children.push(this.directories[directories] as ContextDirectory);
        directories += 1;
      } else if (type === SYMLINK) {
        const mtimeNs = late?.mtimeNs ?? bytes.readBigInt64BE(at);
        children.push({ type: 'symlink', name, target, mtimeNs } satisfies ContextLink);
      } else {
        const state = (late && stateOf(late)) ?? {
          sizeBytes: Number(bytes.readBigInt64BE(at)),
          mtimeNs: bytes.readBigInt64BE(at + 8),
          ctimeNs: bytes.readBigInt64BE(at + 16),
          inode: bytes.readBigUInt64BE(at + 24),
        };
        const content = { path: childPath(this.#system, name) };
        children.push({ type: 'file', name, content, mode, state, digest: undefined } satisfies ContextFile);
      }
    }
    return children;
  }

  /** Yields what all types of entries have, and where their numbers are. */
  *#heads(): Generator<Head> {
    const { bytes } = this;
    for (let at = 0; at < bytes.length; ) {
      const type = bytes.readUInt8(at);
      const nameAt = at + HEAD_BYTES;
      const targetAt = nameAt + bytes.readUInt16BE(at + 3);
      const end = targetAt + bytes.readUInt16BE(at + 5);
      const name = bytes.toString('latin1', nameAt, targetAt) as ByteString;
      const target = bytes.toString('latin1', targetAt, end) as ByteString;
      yield { type, mode: bytes.readUInt16BE(at + 1), name, target, at: end };
      at = end + (type === FILE ? FILE_BYTES : type === SYMLINK ? LINK_BYTES : 0);
    }
  }
}

interface Head {
  readonly type: number;
  readonly mode: number;
  readonly name: ByteString;
  readonly target: ByteString;
  readonly at: number;
}

/** Packs the entries of one directory after another. */
export class PackedWriter {
  #buffer = Buffer.allocUnsafe(FIRST_BYTES);
  #view = viewOf(this.#buffer);
  #at = 0;
  #files = 0;
  #sizeBytes = 0;
  #hasLinks = false;
  #directories: ContextDirectory[] = [];
  #late = new Map<ByteString, BigIntStats>();

  /** What was added so far. Only until more is added. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }

  get isEmpty(): boolean {
    return this.#at === 0;
  }

  /** Ends a directory that is at `system`, and begins with the next one. */
  end(system: SystemPath): PackedEntries {
    const [directories, files, sizeBytes, late] = [this.#directories, this.#files, this.#sizeBytes, this.#late];
    const [bytes, hasLinks] = [Buffer.from(this.bytes), this.#hasLinks];
    const packed = new PackedEntries({ bytes, directories, files, sizeBytes, hasLinks, system, late });
    this.clear();
    return packed;
  }

  clear(): void {
    this.#at = 0;
    this.#files = 0;
    this.#sizeBytes = 0;
    this.#hasLinks = false;
    this.#directories = [];
    if (this.#late.size > 0) this.#late = new Map();
  }

  /** Adds a file as it was listed. */
  addStats(name: ByteString, stats: BigIntStats): void {
    const { size, mtimeNs, ctimeNs, ino } = stats;
    this.#files += 1;
    this.#sizeBytes += Number(size);
    if (mtimeNs > LATEST || ctimeNs > LATEST) this.#late.set(name, stats);
    this.#head(FILE, permissionsOf(stats), name, '');
    this.#numbers(size, mtimeNs, ctimeNs, ino);
  }

  /** Adds a file as it was read. */
  addFile(name: ByteString, mode: number, { sizeBytes, mtimeNs, ctimeNs, inode }: FileState): void {
    this.#head(FILE, mode, name, '');
    this.#numbers(BigInt(sizeBytes), mtimeNs, ctimeNs, inode);
  }

  addLink(name: ByteString, target: ByteString, stats: Pick<BigIntStats, 'mtimeNs'>): void {
    this.#hasLinks = true;
    if (stats.mtimeNs > LATEST) this.#late.set(name, stats as BigIntStats);
    this.#head(SYMLINK, 0, name, target);
    this.#view.setBigInt64(this.#at, stats.mtimeNs);
    this.#at += LINK_BYTES;
  }

  addDirectory(directory: ContextDirectory): void {
    this.#directories.push(directory);
    this.#head(DIRECTORY, directory.mode, directory.name, '');
  }

  #head(type: number, mode: number, name: string, target: string): void {
    this.#grow(HEAD_BYTES + name.length + target.length + FILE_BYTES);
    const view = this.#view;
    const at = this.#at;
    view.setUint8(at, type);
    view.setUint16(at + 1, mode);
    view.setUint16(at + 3, name.length);
    view.setUint16(at + 5, target.length);
    this.#at = at + HEAD_BYTES;
    this.#at += this.#buffer.write(name, this.#at, 'latin1');
    if (target !== '') this.#at += this.#buffer.write(target, this.#at, 'latin1');
  }

  /** Of more than 64 bits it keeps the lower ones: two times that it can't tell apart are centuries from each other. */
  #numbers(size: bigint, mtimeNs: bigint, ctimeNs: bigint, inode: bigint): void {
    const view = this.#view;
    view.setBigInt64(this.#at, size);
    view.setBigInt64(this.#at + 8, mtimeNs);
    view.setBigInt64(this.#at + 16, ctimeNs);
    view.setBigInt64(this.#at + 24, inode);
    this.#at += FILE_BYTES;
  }

  #grow(more: number): void {
    if (this.#at + more <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.#at + more));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
    this.#view = viewOf(larger);
  }
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}
