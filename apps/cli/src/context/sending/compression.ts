import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import zlib from 'node:zlib';

/** How a stream of parts is encoded, as `Content-Encoding` names it. */
export type ContentEncoding = 'zstd' | 'gzip' | 'identity';

/** Worth less than this, compressing costs more than it saves. */
const PAYS_BELOW = 0.9;
const BLOCK_BYTES = 128 * 1024;
/** Node 22.15 and newer have it. */
const { createZstdCompress }: { readonly createZstdCompress?: typeof zlib.createZstdCompress } = zlib;

/** Chooses an encoding by how far a sample of the content can be compressed. */
export function chooseEncoding(sample: Uint8Array): ContentEncoding {
  if (sample.length === 0) return 'identity';
  // gzip stands in for zstd, which older versions of Node lack. Both find out whether there is anything to gain.
  const compressed = zlib.deflateRawSync(sample, { level: 1 }).length;
  if (compressed > sample.length * PAYS_BELOW) return 'identity';
  return createZstdCompress ? 'zstd' : 'gzip';
}

/** Encodes a stream, in blocks of some size. @throws what `bytes` throws */
export async function* encoded(
  bytes: AsyncIterable<Uint8Array>,
  encoding: ContentEncoding,
): AsyncGenerator<Uint8Array> {
  if (encoding === 'identity') return yield* blocks(bytes);
  const stream = compressor(encoding);
  // The loop ends with the same error.
  const fed = pipeline(Readable.from(blocks(bytes)), stream).catch(() => {});
  try {
    for await (const chunk of stream) yield chunk as Uint8Array;
  } finally {
    stream.destroy();
    await fed;
  }
}

/** The fastest levels: what is sent once needn't be small, and the network is often faster than the next level. */
function compressor(encoding: 'zstd' | 'gzip'): Transform {
  const options = { chunkSize: BLOCK_BYTES };
  if (encoding === 'gzip' || !createZstdCompress) return zlib.createGzip({ ...options, level: 1 });
  return createZstdCompress({ ...options, params: { [zlib.constants.ZSTD_c_compressionLevel]: 1 } });
}

/** Joins small pieces: each would be a call of the compressor or the network. */
async function* blocks(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of bytes) {
    pieces.push(piece);
    length += piece.length;
    if (length < BLOCK_BYTES) continue;
    yield Buffer.concat(pieces);
    pieces = [];
    length = 0;
  }
  if (length > 0) yield Buffer.concat(pieces);
}
