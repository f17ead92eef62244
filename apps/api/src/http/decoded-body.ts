import { pipeline } from 'node:stream';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { fieldProblem } from './api-problem.ts';

/** Largest window that a zstd stream may ask for, 8 MiB: up to level 19 none is larger. */
const MAX_WINDOW_LOG = 23;

const DECODERS = {
  gzip: () => createGunzip(),
  zstd: () => createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG } }),
} as const;

/**
 * Decompresses a body by its Content-Encoding.
 * @param encoding that of the header; undefined if there is none @throws ApiProblem `unsupported_media_type` at once; `context_invalid`, and what `bytes`
 * throws, while it is read
 */
export function decodedBody(bytes: AsyncIterable<Buffer>, encoding: string | undefined): AsyncIterable<Buffer> {
  const name = encoding?.trim().toLowerCase();
  if (name === undefined || name === 'identity') return bytes;
  if (name !== 'gzip' && name !== 'zstd')
    throw fieldProblem('unsupported_media_type', 'header Content-Encoding', name, 'identity, gzip or zstd');
  return decompressed(bytes, name);
}

async function* decompressed(bytes: AsyncIterable<Buffer>, name: keyof typeof DECODERS): AsyncGenerator<Buffer> {
  let failure: { readonly error: unknown } | undefined;
  async function* watched(): AsyncGenerator<Buffer> {
    try {
      yield* bytes;
    } catch (error) {
      failure = { error };
      throw error;
    }
  }
  // Errors arrive in the iteration below.
  const decoder = pipeline(watched(), DECODERS[name](), () => {});
  try {
    for await (const chunk of decoder) yield chunk as Buffer;
  } catch (error) {
    if (failure) throw failure.error;
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!/^Z_|^ZSTD_|^ERR_ZSTD/.test(code)) throw error;
    throw fieldProblem('context_invalid', 'body', `a damaged ${name} stream`, `a whole ${name} stream`);
  }
}
