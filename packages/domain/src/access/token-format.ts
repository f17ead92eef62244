/**
 * The format of Kiln's own tokens: `kiln_<kind>_`, 43 characters for 256 random bits and 6 for their CRC-32, in base 62. A secret scanner finds
 * them by `kiln_(?:api|worker|admin|session)_[0-9A-Za-z]{49}` and verifies a match by its checksum. GitHub's tokens have the same format for the
 * same reasons.
 */
/** `session`: made by `kiln login`, for a login that a person approves in the browser. */
export const TOKEN_KINDS = ['api', 'worker', 'admin', 'session'] as const;
export type TokenKind = (typeof TOKEN_KINDS)[number];

/** Random bytes in a token: 256 bits. */
export const TOKEN_BYTES = 32;

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const RANDOM_CHARS = 43;
const CHECK_CHARS = 6;
const FORM = /^kiln_(api|worker|admin|session)_[0-9A-Za-z]{49}$/;

/** Formats a token. @throws RangeError if `random` isn't TOKEN_BYTES long */
export function formatToken(kind: TokenKind, random: Uint8Array): string {
  if (random.length !== TOKEN_BYTES) throw new RangeError(`expected ${TOKEN_BYTES} random bytes, got ${random.length}`);
  const number = random.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const body = `kiln_${kind}_${base62(number, RANDOM_CHARS)}`;
  return body + checksum(body);
}

/** Returns a token's kind; `mistyped` if it looks like a token but its checksum is wrong; undefined for any other text. */
export function tokenKind(text: string): TokenKind | 'mistyped' | undefined {
  const kind = FORM.exec(text)?.[1] as TokenKind | undefined;
  if (kind === undefined) return undefined;
  return checksum(text.slice(0, -CHECK_CHARS)) === text.slice(-CHECK_CHARS) ? kind : 'mistyped';
}

function checksum(body: string): string {
  return base62(BigInt(crc32(body)), CHECK_CHARS);
}

function base62(number: bigint, length: number): string {
  let text = '';
  for (let rest = number; text.length < length; rest /= 62n) text = ALPHABET[Number(rest % 62n)] + text;
  return text;
}

/** Computes the CRC-32 of ASCII text, as zlib does. */
function crc32(text: string): number {
  let crc = ~0;
  for (let i = 0; i < text.length; i += 1) {
    crc ^= text.charCodeAt(i);
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xed_b8_83_20 : 0);
  }
  return ~crc >>> 0;
}
