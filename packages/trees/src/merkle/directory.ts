import { createHash } from 'node:crypto';
import { type ByteString, shownBytes } from './byte-string.ts';
import { type Cursor, cursorOf, EncodingWriter } from './encoding.ts';
import { partOf } from './read-entries.ts';
import { checkEntry, type Digest, type DirectoryNode, type Entry, type FileEntry } from './tree-entry.ts';
import { TreeFault } from './tree-fault.ts';

/**
 * Files up to this size are kept and sent in the same object as their directory, bytes: most files of sources are smaller, and an object for each
 * would cost a round trip of the file system, or of S3, each.
 */
export const INLINE_BYTES = 32 * 1024;
/** A directory with more entries is divided, so that one change in a large directory doesn't change all of its encoding. */
const MAX_UNDIVIDED = 1024;
/** Most entries of one object: limits the memory that reading one takes. */
const MAX_ENTRIES = 16 * 1024;
/** Most bytes of an encoding. */
export const MAX_ENCODING_BYTES = 8 * 1024 * 1024;
/** What a division is: entries by the first byte of the SHA-256 of their names. */
const MAX_PARTS = 256;

/** An encoded node. `digest` is that of `bytes`. */
export interface DirectoryObject {
  readonly digest: Digest;
  readonly bytes: Buffer;
  readonly node: DirectoryNode;
}

const ENTRIES = 0x45;
const PARTS = 0x50;
const FILE = 0x66;
const DIRECTORY = 0x64;
const SYMLINK = 0x6c;

/** Returns the digest of some bytes. */
export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** The tree without entries. */
export function emptyDirectory(): DirectoryObject {
  return objectOf({ type: 'entries', entries: [] });
}

/**
 * Encodes a directory, whose entries may be in any order, as one object or several. The last one is the directory itself, after those that it
 * names. The same entries always give the same bytes. Format of an object, integers big-endian: `E` and, for each entry by name, `f` mode size
 * digest name, `d` mode digest name, or `l` target name; or `P` and the digests of the parts. Times aren't part of it.
 * @throws TreeFault for a name that occurs twice, or anything that `checkEntry` rejects
 */
export function encodeDirectory(entries: readonly Entry[]): readonly [...DirectoryObject[], DirectoryObject] {
  const sorted = [...entries].sort((a, b) => order(a.name, b.name));
  if (sorted.length <= MAX_UNDIVIDED) return [objectOf({ type: 'entries', entries: sorted })];
  const parts = new Map<number, Entry[]>();
  for (const entry of sorted) {
    const part = partOf(entry.name);
    const found = parts.get(part);
    if (found) found.push(entry);
    else parts.set(part, [entry]);
  }
  const objects = [...parts].sort(([a], [b]) => a - b).map(([, each]) => objectOf({ type: 'entries', entries: each }));
  return [...objects, objectOf({ type: 'parts', parts: objects.map(({ digest }) => digest) })];
}

/** Decodes an object, whose digest it computes. Only what `encodeDirectory` writes is accepted. @throws TreeFault */
export function decodeDirectory(bytes: Buffer): DirectoryObject {
  const from = cursorOf(bytes);
  const kind = from.uint(1);
  if (kind !== ENTRIES && kind !== PARTS) throw new TreeFault(`a directory of kind ${kind}`, 'E or P');
  const node: DirectoryNode =
    kind === PARTS ? { type: 'parts', parts: readParts(from) } : { type: 'entries', entries: readEntries(from) };
  return { digest: digestOf(bytes), bytes, node };
}

/** Returns the files of an object whose content is kept and sent with it, in order. Empty files have none. */
export function inlineFiles(node: DirectoryNode): readonly FileEntry[] {
  if (node.type === 'parts') return [];
  return node.entries.filter(
    (entry): entry is FileEntry => entry.type === 'file' && entry.sizeBytes > 0 && entry.sizeBytes <= INLINE_BYTES,
  );
}

/** What an object needs so that its tree is complete: other directory objects, and files with an object of their own. */
export function referencesOf(node: DirectoryNode): { directories: Digest[]; files: FileEntry[] } {
  if (node.type === 'parts') return { directories: [...node.parts], files: [] };
  return {
    directories: node.entries.flatMap((entry) => (entry.type === 'directory' ? [entry.digest] : [])),
    files: node.entries.filter((entry): entry is FileEntry => entry.type === 'file' && entry.sizeBytes > INLINE_BYTES),
  };
}

function objectOf(node: DirectoryNode): DirectoryObject {
  const bytes = node.type === 'parts' ? encodeParts(node.parts) : encodeEntries(node.entries);
  return { digest: digestOf(bytes), bytes, node };
}

function encodeParts(parts: readonly Digest[]): Buffer {
  const out = new EncodingWriter();
  out.uint(PARTS, 1);
  for (const digest of parts) out.digest(digest);
  return out.bytes();
}

function encodeEntries(entries: readonly Entry[]): Buffer {
  const out = new EncodingWriter();
  out.uint(ENTRIES, 1);
  let before: ByteString | undefined;
  for (const entry of entries) {
    checkEntry(entry);
    checkOrder(before, entry.name);
    before = entry.name;
    switch (entry.type) {
      case 'file':
        out.uint(FILE, 1).uint(entry.mode, 2).uint(entry.sizeBytes, 6).digest(entry.digest);
        break;
      case 'directory':
        out.uint(DIRECTORY, 1).uint(entry.mode, 2).digest(entry.digest);
        break;
      case 'symlink':
        out.uint(SYMLINK, 1).string(entry.target);
    }
    out.string(entry.name);
  }
  const bytes = out.bytes();
  if (entries.length > MAX_ENTRIES || bytes.length > MAX_ENCODING_BYTES)
    throw new TreeFault(`a directory with too many entries`, `at most ${MAX_PARTS * MAX_ENTRIES} entries`);
  return bytes;
}

function readParts(from: Cursor): Digest[] {
  const parts: Digest[] = [];
  while (!from.isAtEnd) parts.push(from.digest());
  if (parts.length < 1 || parts.length > MAX_PARTS)
    throw new TreeFault(`a directory of ${parts.length} parts`, `1 to ${MAX_PARTS}`);
  return parts;
}

function readEntries(from: Cursor): Entry[] {
  const entries: Entry[] = [];
  let before: ByteString | undefined;
  while (!from.isAtEnd) {
    const entry = readEntry(from);
    checkEntry(entry);
    checkOrder(before, entry.name);
    before = entry.name;
    entries.push(entry);
    if (entries.length > MAX_ENTRIES)
      throw new TreeFault(`more than ${MAX_ENTRIES} entries in one object`, `at most ${MAX_ENTRIES}`);
  }
  return entries;
}

function readEntry(from: Cursor): Entry {
  const type = from.uint(1);
  switch (type) {
    case FILE: {
      const [mode, sizeBytes, digest] = [from.uint(2), from.uint(6), from.digest()];
      return { type: 'file', name: from.string(), mode, sizeBytes, digest };
    }
    case DIRECTORY: {
      const [mode, digest] = [from.uint(2), from.digest()];
      return { type: 'directory', name: from.string(), mode, digest };
    }
    case SYMLINK: {
      const target = from.string();
      return { type: 'symlink', name: from.string(), target };
    }
    default:
      throw new TreeFault(`an entry of type ${type}`, 'a file, directory or symbolic link');
  }
}

function checkOrder(before: ByteString | undefined, name: ByteString): void {
  if (before === undefined || before < name) return;
  const got = before === name ? 'two entries of one name' : 'entries out of order';
  throw new TreeFault(got, 'one entry for each name, in the order of their bytes', shownBytes(name));
}

function order(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
