import { hash } from 'node:crypto';
import { type ByteString, fromBytes } from '@kiln/trees';
import type { FileState } from '../file-state.ts';
import { RecordIndex, type RecordLayout } from './record-index.ts';

/** A cache as it was read: the whole file, and where in it the records are. */
export interface CacheContent {
  readonly bytes: Buffer;
  readonly records: RecordIndex;
}

/** A larger cache is not worth its reading. About 500,000 files. */
export const MAX_CACHE_BYTES = 64 * 1024 * 1024;

const MAGIC = Buffer.from('kiln-digests-1\n');
const CHECKSUM_BYTES = 32;

/** Offsets in a record, all integers little-endian: state, day of the last use since the epoch, digest, and the path after its length. */
const AT = { size: 0, mtime: 8, ctime: 16, inode: 24, day: 32, sha256: 36, pathBytes: 68, path: 70 } as const;

/** What a field of 64 bits keeps of a number: times after the year 2262 don't fit. Two that it can't tell apart are centuries from each other. */
const fit = (value: bigint): bigint => BigInt.asIntN(64, value);

const LAYOUT: RecordLayout = { path: AT.path, endOf };

/** Reads and writes single records. */
export const RECORD = {
  matches: (bytes: Buffer, at: number, state: FileState): boolean =>
    bytes.readBigInt64LE(at + AT.size) === BigInt(state.sizeBytes) &&
    bytes.readBigInt64LE(at + AT.mtime) === fit(state.mtimeNs) &&
    bytes.readBigInt64LE(at + AT.ctime) === fit(state.ctimeNs) &&
    bytes.readBigInt64LE(at + AT.inode) === fit(state.inode),
  day: (bytes: Buffer, at: number): number => bytes.readUInt32LE(at + AT.day),
  setDay: (bytes: Buffer, at: number, day: number): void => void bytes.writeUInt32LE(day, at + AT.day),
  sha256: (bytes: Buffer, at: number): string => bytes.toString('hex', at + AT.sha256, at + AT.pathBytes),
  path: (bytes: Buffer, at: number): ByteString => fromBytes(bytes.subarray(at + AT.path, endOf(bytes, at))),
  /** Returns all bytes of a record. */
  at: (bytes: Buffer, at: number): Buffer => bytes.subarray(at, endOf(bytes, at)),
  encode(path: ByteString, state: FileState, sha256: string, day: number): Buffer {
    const record = Buffer.alloc(AT.path + path.length);
    record.writeBigInt64LE(BigInt(state.sizeBytes), AT.size);
    record.writeBigInt64LE(fit(state.mtimeNs), AT.mtime);
    record.writeBigInt64LE(fit(state.ctimeNs), AT.ctime);
    record.writeBigInt64LE(fit(state.inode), AT.inode);
    record.writeUInt32LE(day, AT.day);
    record.write(sha256, AT.sha256, 'hex');
    record.writeUInt16LE(path.length, AT.pathBytes);
    record.write(path, AT.path, 'latin1');
    return record;
  },
} as const;

/** The file: a magic line, the context's path after its length, the records, and a checksum. */
export function encodeCache(root: string, records: Iterable<Buffer>): Buffer {
  const content = Buffer.concat([headOf(root), ...records]);
  return Buffer.concat([content, checksumOf(content)]);
}

/** Reads the cache of a context. Of anything else than what `encodeCache` wrote for it, returns one without records. */
export function decodeCache(bytes: Buffer | undefined, root: string): CacheContent {
  const head = headOf(root);
  const end = (bytes?.length ?? 0) - CHECKSUM_BYTES;
  if (!bytes || end < head.length || end > MAX_CACHE_BYTES || !bytes.subarray(0, head.length).equals(head))
    return nothing();
  if (!checksumOf(bytes.subarray(0, end)).equals(bytes.subarray(end))) return nothing();
  const records = RecordIndex.of(bytes, head.length, end, LAYOUT);
  return records ? { bytes, records } : nothing();
}

function nothing(): CacheContent {
  const bytes = Buffer.alloc(0);
  return { bytes, records: RecordIndex.of(bytes, 0, 0, LAYOUT) as RecordIndex };
}

function endOf(bytes: Buffer, at: number): number {
  return at + AT.path + bytes.readUInt16LE(at + AT.pathBytes);
}

function headOf(root: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(Buffer.byteLength(root));
  return Buffer.concat([MAGIC, length, Buffer.from(root)]);
}

function checksumOf(content: Uint8Array): Buffer {
  return hash('sha256', content, 'buffer');
}
