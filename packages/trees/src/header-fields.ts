import { quoted, TarFault } from './tar-fault.ts';

export const BLOCK_BYTES = 512;

/** What one header block says, strictly read. */
export interface HeaderFields {
  /** The byte at 156, as a character. */
  readonly type: string;
  readonly name: string;
  readonly target: string;
  readonly sizeBytes: number;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads a header block (POSIX ustar, GNU, or from before either), and refuses what readers take differently: a field with something behind
 * its end, a number that isn't plainly one, a name that isn't UTF-8.
 * @throws TarFault
 */
export function headerFields(block: Buffer): HeaderFields {
  if (checksum(block) !== octal(block.subarray(148, 156))) {
    throw new TarFault('a block that is not a tar header', 'a tar header with its checksum');
  }
  const name = text(block.subarray(0, 100), 'a name');
  const target = text(block.subarray(157, 257), 'the target of a link');
  checkNumber(block.subarray(100, 108), 'the mode', name);
  checkNumber(block.subarray(136, 148), 'the time', name);
  const prefix = isPosix(block) ? text(block.subarray(345, 500), 'a name') : '';
  return {
    type: String.fromCharCode(block[156] as number),
    name: prefix === '' ? name : `${prefix}/${name}`,
    target,
    sizeBytes: size(block.subarray(124, 136), name),
  };
}

export function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

/** @throws TarFault where the bytes aren't UTF-8 */
export function decoded(bytes: Buffer, what: string): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new TarFault(`${what} that is not UTF-8: ${quoted(bytes.toString('latin1'))}`, 'names in UTF-8');
  }
}

function checksum(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK_BYTES; i += 1) sum += i >= 148 && i < 156 ? 0 : (block[i] as number);
  return sum;
}

/** In what old tars write there is nothing where the magic is. @throws TarFault at any other */
function isPosix(block: Buffer): boolean {
  const magic = block.toString('latin1', 257, 265);
  if (magic === 'ustar\x0000') return true;
  if (magic === 'ustar  \0' || magic === '\0\0\0\0\0\0\0\0') return false;
  throw new TarFault(`a header of an unknown format, ${JSON.stringify(magic)}`, 'POSIX (ustar, pax) or GNU tar');
}

/** The text up to the first zero byte; behind it there may be nothing else. */
function text(field: Buffer, what: string): string {
  const end = field.indexOf(0);
  if (end < 0) return decoded(field, what);
  if (!isZero(field.subarray(end)))
    throw new TarFault(`${what} with a zero byte in it`, 'zero bytes behind a field only');
  return decoded(field.subarray(0, end), what);
}

function octal(field: Buffer): number {
  const digits = /^ *([0-7]+)[ \0]*$/.exec(field.toString('latin1'))?.[1];
  return digits === undefined ? Number.NaN : Number.parseInt(digits, 8);
}

/** Where readers would make the best of it, each its own. */
function checkNumber(field: Buffer, what: string, name: string): void {
  const isBase256 = field[0] === 0x80 || field[0] === 0xff;
  if (isZero(field) || isBase256 || !Number.isNaN(octal(field))) return;
  throw new TarFault(`${what} ${JSON.stringify(field.toString('latin1'))}`, 'an octal number', name);
}

/** Octal, or GNU's base 256 for what doesn't fit into that. */
function size(field: Buffer, name: string): number {
  if (field[0] !== 0x80) {
    // No digits: zero, as old tars leave it in headers of what has no content.
    const value = isZero(field) ? 0 : octal(field);
    if (Number.isNaN(value))
      throw new TarFault(`the size ${JSON.stringify(field.toString('latin1'))}`, 'an octal number', name);
    return value;
  }
  const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
  if (!Number.isSafeInteger(value)) throw new TarFault('a size beyond 2^53', 'a smaller file', name);
  return value;
}
