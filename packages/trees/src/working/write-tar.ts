import type { ByteString } from '../merkle/byte-string.ts';
import { toBytes } from '../merkle/byte-string.ts';
import type { TimedEntry } from './timed-entry.ts';

const BLOCK = 512;
/** tar reads blocks in records of this size. */
const RECORD = 20 * BLOCK;
const NAME_BYTES = 100;
/** The largest size that fits into a header's octal digits, plus one. */
const MAX_OCTAL = 8 ** 11;
const NS = 1_000_000_000n;
const TYPES = { file: '0', symlink: '2', directory: '5' } as const;

/** Writes a tar for GNU tar: names of any bytes, times in ns. Returns the chunks of an entry's headers; a file's content, padded with `padding`, comes after them. */
export function tarHeaders(entry: TimedEntry, name: ByteString, commonNs?: bigint): Buffer {
  const path = toBytes((entry.type === 'directory' ? `${name}/` : name) as ByteString);
  const target = entry.type === 'symlink' ? toBytes(entry.target) : Buffer.alloc(0);
  const parts: Buffer[] = [];
  // pax can't hold names that aren't UTF-8; GNU's long names can.
  if (path.length > NAME_BYTES) parts.push(extended('L', Buffer.concat([path, Buffer.alloc(1)])));
  if (target.length > NAME_BYTES) parts.push(extended('K', Buffer.concat([target, Buffer.alloc(1)])));
  if (entry.mtimeNs !== commonNs) parts.push(extended('x', timeRecord(entry.mtimeNs)));
  parts.push(headerOf(entry, path, target));
  return Buffer.concat(parts);
}

function headerOf(entry: TimedEntry, name: Buffer, target: Buffer): Buffer {
  return header({
    ...{ name, target, type: TYPES[entry.type] },
    mode: entry.type === 'symlink' ? 0o777 : entry.mode,
    sizeBytes: entry.type === 'file' ? entry.sizeBytes : 0,
  });
}

/**
 * Writes an entry's headers for `unpackTar`, which takes at most one extended header for an entry. Names and link targets that aren't UTF-8 are then
 * refused there. Returns the chunks as `tarHeaders` does.
 */
export function paxHeaders(entry: TimedEntry): Buffer {
  const path = toBytes((entry.type === 'directory' ? `${entry.path}/` : entry.path) as ByteString);
  const target = entry.type === 'symlink' ? toBytes(entry.target) : Buffer.alloc(0);
  const records = [
    timeRecord(entry.mtimeNs),
    ...(path.length > NAME_BYTES ? [record('path', path)] : []),
    ...(target.length > NAME_BYTES ? [record('linkpath', target)] : []),
  ];
  return Buffer.concat([extended('x', Buffer.concat(records)), headerOf(entry, path, target)]);
}

/** Returns a header that gives all entries after it a time, except those that have another. */
export function commonTime(mtimeNs: bigint): Buffer {
  return extended('g', timeRecord(mtimeNs));
}

/** Zero bytes that follow content of `sizeBytes`. */
export function padding(sizeBytes: number): Buffer {
  return Buffer.alloc((BLOCK - (sizeBytes % BLOCK)) % BLOCK);
}

/** What ends a tar, after `writtenBytes`. */
export function tarEnd(writtenBytes: number): Buffer {
  const end = 2 * BLOCK;
  return Buffer.alloc(end + ((RECORD - ((writtenBytes + end) % RECORD)) % RECORD));
}

/** Returns ns since the epoch as decimal seconds, as in pax records and `touch -d @…`. */
export function secondsText(ns: bigint): string {
  const [sign, abs] = ns < 0n ? ['-', -ns] : ['', ns];
  const rest = abs % NS;
  return `${sign}${abs / NS}${rest === 0n ? '' : `.${String(rest).padStart(9, '0')}`}`;
}

function timeRecord(ns: bigint): Buffer {
  return record('mtime', Buffer.from(secondsText(ns)));
}

/** `LENGTH KEY=VALUE\n`, where the length counts its own digits. */
function record(key: string, value: Buffer): Buffer {
  const text = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = text.length + 1;
  while (String(length).length + text.length !== length) length = String(length).length + text.length;
  return Buffer.concat([Buffer.from(String(length)), text]);
}

function extended(type: 'L' | 'K' | 'x' | 'g', content: Buffer): Buffer {
  const name = Buffer.from(type === 'x' || type === 'g' ? 'pax' : '././@LongLink');
  const own = header({ name, target: Buffer.alloc(0), type, mode: 0o644, sizeBytes: content.length });
  return Buffer.concat([own, content, padding(content.length)]);
}

interface HeaderFields {
  readonly name: Buffer;
  readonly target: Buffer;
  readonly type: string;
  readonly mode: number;
  readonly sizeBytes: number;
}

function header({ name, target, type, mode, sizeBytes }: HeaderFields): Buffer {
  const block = Buffer.alloc(BLOCK);
  name.copy(block, 0, 0, NAME_BYTES);
  block.write(octal(mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  if (sizeBytes < MAX_OCTAL) block.write(octal(sizeBytes, 11), 124);
  else {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(sizeBytes), 128);
  }
  block.write(octal(0, 11), 136);
  block.fill(0x20, 148, 156);
  block.write(type, 156);
  target.copy(block, 157, 0, NAME_BYTES);
  block.write('ustar  \0', 257, 'latin1');
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${octal(sum, 6)}\0 `, 148);
  return block;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}
