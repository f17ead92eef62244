import { type DirectoryObject, TreeFault } from '@kiln/trees';
import type { TreeTotals } from './tree-totals.ts';

const MAGIC = Buffer.from('kilntre1');
/** Where, after the magic, the numbers are: big-endian, of 6, 6, 4 and 4 bytes. */
const ENTRIES_AT = MAGIC.length;
const FILE_BYTES_AT = ENTRIES_AT + 6;
const PATH_BYTES_AT = FILE_BYTES_AT + 6;
const ENCODING_BYTES_AT = PATH_BYTES_AT + 4;
export const HEADER_BYTES = ENCODING_BYTES_AT + 4;

export interface StoredHeader {
  readonly totals: TreeTotals;
  readonly encodingBytes: number;
}

/** What precedes a directory's encoding and the content of its small files in their blob. */
export function encodeHeader({ bytes }: DirectoryObject, { entries, fileBytes, pathBytes }: TreeTotals): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUIntBE(entries, ENTRIES_AT, 6);
  header.writeUIntBE(fileBytes, FILE_BYTES_AT, 6);
  header.writeUInt32BE(pathBytes, PATH_BYTES_AT);
  header.writeUInt32BE(bytes.length, ENCODING_BYTES_AT);
  return header;
}

/** @throws TreeFault for a blob that isn't a stored directory */
export function decodeHeader(header: Buffer): StoredHeader {
  if (header.length !== HEADER_BYTES || !header.subarray(0, MAGIC.length).equals(MAGIC))
    throw new TreeFault('a blob of another format', 'a stored directory');
  const entries = header.readUIntBE(ENTRIES_AT, 6);
  const fileBytes = header.readUIntBE(FILE_BYTES_AT, 6);
  const pathBytes = header.readUInt32BE(PATH_BYTES_AT);
  return { totals: { entries, fileBytes, pathBytes }, encodingBytes: header.readUInt32BE(ENCODING_BYTES_AT) };
}
