/** Fields of one header block, which may be anything: what a packer would never write too. */
export interface RawHeader {
  readonly name: string;
  /** The byte at 156. Default: `0`, a file. */
  readonly type?: string;
  readonly target?: string;
  /** What the header says; default: the content's length. */
  readonly size?: number;
  readonly mode?: number;
  readonly content?: string | Buffer;
}

export const BLOCK_BYTES = 512;
export const CLOSE = Buffer.alloc(2 * BLOCK_BYTES);

/** A header block (ustar) with its content, padded. */
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

/** The block with its checksum made right. */
export function signed(block: Buffer): Buffer {
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** A pax record, its length right. */
export function paxRecord(key: string, value: string | Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
  let length = rest.length;
  while (`${length}`.length + rest.length !== length) length = `${length}`.length + rest.length;
  return Buffer.concat([Buffer.from(`${length}`), rest]);
}

/** An extended header of the given records, for the entry after it; `g` for all. */
export function rawPax(records: readonly Buffer[], type: 'x' | 'g' = 'x'): Buffer {
  return rawEntry({ name: 'PaxHeaders/x', type, content: Buffer.concat(records) });
}

/** A closed archive of these. */
export function rawTar(...entries: readonly (Buffer | RawHeader)[]): Buffer {
  return Buffer.concat([...entries.map((entry) => (Buffer.isBuffer(entry) ? entry : rawEntry(entry))), CLOSE]);
}

/**
 * An archive that two readers read differently: by the lengths of its records it holds one file, by their lines the entries `hidden`, which then
 * lie in that file's content (a pax comment with line ends in it).
 */
export function twofoldTar(hidden: readonly (Buffer | RawHeader)[], shown: readonly RawHeader[] = []): Buffer {
  const content = rawTar(...hidden).subarray(0, -CLOSE.length);
  const comment = Buffer.concat([Buffer.from('x\n'), paxRecord('size', '0'), Buffer.from('7 x=y')]);
  return rawTar(...shown, rawPax([paxRecord('comment', comment)]), { name: 'notes.txt', content });
}

/** Links each of which stays inside by its letters, while `sub` leads `levels` directories above the context, into `target`. */
export function climbingLinks(levels: number, target: string): RawHeader[] {
  const steps = Array.from({ length: levels + 1 }, (_, i) => `d${i}`);
  const deepest = steps.join('/');
  return [
    ...steps.map((_, i) => ({ name: `${steps.slice(0, i + 1).join('/')}/`, type: '5', mode: 0o755 })),
    { name: `${deepest}/up`, type: '2', target: steps.map(() => '..').join('/') },
    { name: 'sub', type: '2', target: `${deepest}/up/${'../'.repeat(levels)}${target}` },
  ];
}
