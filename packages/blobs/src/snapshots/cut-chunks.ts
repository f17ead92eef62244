/** A chunk has at least this many bytes, except the last one. */
const MIN_BYTES = 1024 * 1024;
const MAX_BYTES = 16 * 1024 * 1024;
/** A boundary is where this many bits of the rolling hash are zero: once in 2 MiB on the average. */
const MASK = (2 ** 21 - 1) << 11;

/** A pseudo-random number for each byte (Xia et al., "FastCDC", 2016; the numbers by xorshift). Part of the format: other numbers cut elsewhere. */
const GEAR = gear();

/**
 * Cuts a stream into chunks at places that depend on the content around them only, so that a change moves no other boundary: two versions of a stream have most
 * chunks in common.
 */
export async function* cutChunks(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let parts: Uint8Array[] = [];
  let length = 0;
  let hash = 0;
  const take = () => {
    const chunk = Buffer.concat(parts, length);
    parts = [];
    length = 0;
    hash = 0;
    return chunk;
  };
  for await (const piece of bytes) {
    let start = 0;
    let at = 0;
    while (at < piece.length) {
      // No boundary is near the chunk's beginning.
      const skipped = Math.min(Math.max(0, MIN_BYTES - length), piece.length - at);
      at += skipped;
      length += skipped;
      let isBoundary = false;
      while (at < piece.length && !isBoundary) {
        hash = ((hash << 1) + (GEAR[piece[at] as number] as number)) | 0;
        at += 1;
        length += 1;
        isBoundary = (hash & MASK) === 0 || length >= MAX_BYTES;
      }
      if (!isBoundary) continue;
      parts.push(piece.subarray(start, at));
      start = at;
      yield take();
    }
    if (start < piece.length) parts.push(piece.subarray(start));
  }
  if (length > 0) yield take();
}

function gear(): Int32Array {
  let state = 0x9e3779b9;
  return Int32Array.from({ length: 256 }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  });
}
