/** Fields of a header block, with any values, also those that no tar writes. */
export interface RawHeader {
  readonly name: string;
  /** The byte at 156. Default: `0`, a file. */
  readonly type?: string;
  readonly target?: string;
  /** Size in the header. Default: the content's length. */
  readonly size?: number;
  readonly mode?: number;
  readonly content?: string | Buffer;
}

export const BLOCK_BYTES = 512;
export const CLOSE = Buffer.alloc(2 * BLOCK_BYTES);

/** Returns a header block (ustar) with its content, padded. */
export function rawEntry({ name, type = '0', target = '', size, mode = 0o644, content = '' }: RawHeader): Buffer {
  const body = Buffer.from(content);
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  block.write(name, 0, 100);
  block.write(octal(mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(size ?? body.length, 11), 124);
  block.write(octal(0, 11), 136);
  block.write(type, 156, 1, 'latin1');
  block.write(target, 157, 100);
  block.write('ustar\x0000', 257);
  return Buffer.concat([signed(block), body, Buffer.alloc((BLOCK_BYTES - (body.length % BLOCK_BYTES)) % BLOCK_BYTES)]);
}

/** Sets the block's checksum. */
export function signed(block: Buffer): Buffer {
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** Returns a pax record with the correct length. */
export function paxRecord(key: string, value: string | Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
  let length = rest.length;
  while (`${length}`.length + rest.length !== length) length = `${length}`.length + rest.length;
  return Buffer.concat([Buffer.from(`${length}`), rest]);
}

/** Returns an extended header for the next entry; `g` for all following entries. */
export function rawPax(records: readonly Buffer[], type: 'x' | 'g' = 'x'): Buffer {
  return rawEntry({ name: 'PaxHeaders/x', type, content: Buffer.concat(records) });
}

/** Returns a complete archive. */
export function rawTar(...entries: readonly (Buffer | RawHeader)[]): Buffer {
  return Buffer.concat([...entries.map((entry) => (Buffer.isBuffer(entry) ? entry : rawEntry(entry))), CLOSE]);
}

/**
 * Returns an archive that readers interpret differently, because a pax comment contains line breaks: by the records' lengths it has one file, by lines
 * it has the entries `hidden`, which are that file's content.
 */
export function twofoldTar(hidden: readonly (Buffer | RawHeader)[], shown: readonly RawHeader[] = []): Buffer {
  const content = rawTar(...hidden).subarray(0, -CLOSE.length);
  const comment = Buffer.concat([Buffer.from('x\n'), paxRecord('size', '0'), Buffer.from('7 x=y')]);
  return rawTar(...shown, rawPax([paxRecord('comment', comment)]), { name: 'notes.txt', content });
}

/** Returns links that stay inside if resolved lexically, while `sub` really leads `levels` directories above the context, to `target`. */
export function climbingLinks(levels: number, target: string): RawHeader[] {
  const steps = Array.from({ length: levels + 1 }, (_, i) => `d${i}`);
  const deepest = steps.join('/');
  return [
    ...steps.map((_, i) => ({ name: `${steps.slice(0, i + 1).join('/')}/`, type: '5', mode: 0o755 })),
    { name: `${deepest}/up`, type: '2', target: steps.map(() => '..').join('/') },
    { name: 'sub', type: '2', target: `${deepest}/up/${'../'.repeat(levels)}${target}` },
  ];
}
