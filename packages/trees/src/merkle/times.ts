import type { ByteString } from './byte-string.ts';
import { TreeFault } from './tree-fault.ts';

const BYTES = 8;

/**
 * Encodes the times of a tree's entries, which its digest doesn't cover: ns since the epoch, 8 bytes each (big-endian, signed), depth first, each directory
 * before what is in it, the names of a directory in the order of their bytes.
 */
export function encodeTimes(times: readonly bigint[]): Buffer {
  const bytes = Buffer.allocUnsafe(times.length * BYTES);
  for (const [i, time] of times.entries()) bytes.writeBigInt64BE(BigInt.asIntN(64, time), i * BYTES);
  return bytes;
}

/** Returns the times by path. @param paths of all entries, in the order of `encodeTimes` @throws TreeFault if there isn't one for each */
export function decodeTimes(bytes: Buffer, paths: readonly ByteString[]): ReadonlyMap<ByteString, bigint> {
  if (bytes.length !== paths.length * BYTES)
    throw new TreeFault(`times of ${bytes.length} bytes`, `${BYTES} bytes for each of ${paths.length} entries`);
  return new Map(paths.map((path, i) => [path, bytes.readBigInt64BE(i * BYTES)]));
}
