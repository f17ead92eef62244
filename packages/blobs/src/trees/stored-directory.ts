import { type DirectoryObject, TreeFault } from '@kiln/trees';
import type { TreeTotals } from './tree-totals.ts';

const MAGIC = Buffer.from('kilntre1');
/** Magic, then big-endian: entries (6), bytes of files (6), length of the longest path (4), length of the encoding (4). */
export const HEADER_BYTES = MAGIC.length + 6 + 6 + 4 + 4;

export interface StoredHeader {
  readonly totals: TreeTotals;
  readonly encodingBytes: number;
}

/** What precedes a directory's encoding and the content of its small files in their blob. */
export function encodeHeader({ bytes }: DirectoryObject, { entries, fileBytes, pathBytes }: TreeTotals): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  let at = MAGIC.copy(header);
  at = header.writeUIntBE(entries, at, 6);
  at = header.writeUIntBE(fileBytes, at, 6);
  at = header.writeUInt32BE(pathBytes, at);
  header.writeUInt32BE(bytes.length, at);
  return header;
}

/** @throws TreeFault for a blob that isn't a stored directory */
export function decodeHeader(header: Buffer): StoredHeader {
  if (header.length !== HEADER_BYTES || !header.subarray(0, MAGIC.length).equals(MAGIC))
    throw new TreeFault('a blob of another format', 'a stored directory');
  let at = MAGIC.length;
  const entries = header.readUIntBE(at, 6);
  const fileBytes = header.readUIntBE((at += 6), 6);
  const pathBytes = header.readUInt32BE((at += 6));
  return { totals: { entries, fileBytes, pathBytes }, encodingBytes: header.readUInt32BE(at + 4) };
}
