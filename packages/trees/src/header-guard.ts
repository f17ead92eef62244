import { BLOCK_BYTES, decoded, type HeaderFields, headerFields, isZero } from './header-fields.ts';
import { checkGlobal, type PaxOptions, paxRecords } from './pax-records.ts';
import { quoted, TarCutOff, TarFault } from './tar-fault.ts';

export type EntryType = 'file' | 'directory' | 'symlink' | 'hardlink';

/** An entry according to its headers. Names aren't normalised. */
export interface GuardedEntry {
  readonly type: EntryType;
  readonly name: string;
  readonly target: string;
  readonly sizeBytes: number;
}

/** Limits extended headers, which are kept in memory: real ones take a few hundred bytes, or some thousands with attributes. */
const MAX_META_BYTES = 1024 * 1024;
const TYPES: Readonly<Record<string, EntryType>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'directory',
};
const REFUSED_TYPES: Readonly<Record<string, string>> = {
  '3': 'a character device',
  '4': 'a block device',
  '6': 'a fifo',
  S: 'a sparse file',
};
/** Headers whose content describes the next entry (`g`: all following entries). */
const META_TYPES = 'xgLK';
/** The first size that doesn't fit into eleven octal digits. */
const OCTAL_LIMIT = 8 ** 11;

/** Fields of the next entry, from extended headers. */
interface Overrides {
  pax?: ReadonlyMap<string, string>;
  longName?: string;
  longTarget?: string;
}

/**
 * Checks every header of a tar that is pushed in chunks. Rejects whatever two readers could interpret differently, so that each entry has only one
 * meaning. Buffers one block or one extended header at a time; skips content.
 */
export class HeaderGuard {
  readonly #options: PaxOptions;
  readonly #onEntry: (entry: GuardedEntry) => void;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #skipBytes = 0;
  #meta: HeaderFields | undefined;
  #overrides: Overrides = {};
  #state: 'empty' | 'open' | 'closed' = 'empty';

  constructor(options: PaxOptions, onEntry: (entry: GuardedEntry) => void) {
    this.#options = options;
    this.#onEntry = onEntry;
  }

  /** @throws TarFault @throws whatever `onEntry` throws */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#skipBytes > 0) {
        const skipped = Math.min(this.#skipBytes, chunk.length - at);
        this.#skipBytes -= skipped;
        at += skipped;
        continue;
      }
      const wanted = this.#meta ? padded(this.#meta.sizeBytes) : BLOCK_BYTES;
      const taken = chunk.subarray(at, at + wanted - this.#heldBytes);
      at += taken.length;
      this.#held.push(taken);
      this.#heldBytes += taken.length;
      if (this.#heldBytes === wanted) this.#take();
    }
  }

  /** Ends the archive. @throws TarCutOff if it isn't complete, with a closing block */
  end(): void {
    const isWhole = this.#skipBytes === 0 && this.#heldBytes === 0 && this.#meta === undefined;
    if (this.#state !== 'closed' || !isWhole) throw new TarCutOff('the tar is cut off');
  }

  #take(): void {
    const bytes = this.#held.length === 1 ? (this.#held[0] as Buffer) : Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    if (this.#meta) {
      const meta = this.#meta;
      this.#meta = undefined;
      this.#apply(meta.type, bytes.subarray(0, meta.sizeBytes));
    } else if (isZero(bytes)) {
      if (hasAny(this.#overrides)) throw new TarFault('an extended header before the end', 'one before an entry');
      this.#state = 'closed';
    } else {
      if (this.#state === 'closed')
        throw new TarFault('data after the end of the tar', 'one tar, followed only by zeros');
      this.#header(headerFields(bytes));
    }
  }

  #header(header: HeaderFields): void {
    if (META_TYPES.includes(header.type)) {
      const { sizeBytes } = header;
      if (sizeBytes === 0 || sizeBytes > MAX_META_BYTES)
        throw new TarFault(`an extended header of ${sizeBytes} bytes`, `one of 1 to ${MAX_META_BYTES} bytes`);
      if (header.type === 'g' && this.#state !== 'empty')
        throw new TarFault('a global extended header between entries', 'none, or that of git archive at the beginning');
      this.#meta = header;
      return;
    }
    this.#state = 'open';
    const overrides = this.#overrides;
    this.#overrides = {};
    const entry = entryOf(header, overrides);
    if (entry.type === 'file') this.#skipBytes = padded(entry.sizeBytes);
    this.#onEntry(entry);
  }

  #apply(type: string, content: Buffer): void {
    const now = this.#overrides;
    if (type === 'g') {
      checkGlobal(paxRecords(content, this.#options));
      this.#state = 'open';
    } else if (type === 'x') {
      if (hasAny(now)) throw twice();
      this.#overrides = { pax: paxRecords(content, this.#options) };
    } else {
      const key = type === 'L' ? 'longName' : 'longTarget';
      if (now.pax || now[key] !== undefined) throw twice();
      this.#overrides = { ...now, [key]: longText(content) };
    }
  }
}

function entryOf(header: HeaderFields, { pax, longName, longTarget }: Overrides): GuardedEntry {
  const name = longName ?? pax?.get('path') ?? header.name;
  const target = longTarget ?? pax?.get('linkpath') ?? header.target;
  const known = TYPES[header.type];
  if (!known) {
    const got = REFUSED_TYPES[header.type] ?? `an entry of the unknown type ${JSON.stringify(header.type)}`;
    throw new TarFault(got, 'files, directories and links', name);
  }
  const sizeBytes = sizeOf(header, pax?.get('size'), name);
  const isOverridden = longName !== undefined || pax?.has('path') === true;
  const type = typeOf(header, known, name, isOverridden);
  if (type !== 'file' && sizeBytes > 0) throw new TarFault(`a ${type} with content`, 'content in files only', name);
  const isLink = type === 'symlink' || type === 'hardlink';
  if (name === '') throw new TarFault('an entry without a name', 'a name');
  if (isLink && target === '') throw new TarFault('a link without a target', 'a target', name);
  if (!isLink && target !== '') throw new TarFault(`a ${type} with the target of a link`, 'none', name);
  return { type, name, target, sizeBytes };
}

/** Determines the type. Before POSIX, a directory was a file whose name ends in a slash; no other name may. */
function typeOf(header: HeaderFields, type: EntryType, name: string, isOverridden: boolean): EntryType {
  if (type === 'directory' || !name.endsWith('/')) return type;
  const isOld = type === 'file' && header.type !== '7' && !isOverridden;
  if (isOld) return 'directory';
  throw new TarFault(`a ${type} whose name ends in a slash`, 'directories only to have such names', name);
}

function sizeOf(header: HeaderFields, override: string | undefined, name: string): number {
  if (override === undefined) return header.sizeBytes;
  const size = Number(override);
  if (!/^(?:0|[1-9][0-9]*)$/.test(override) || !Number.isSafeInteger(size))
    throw new TarFault(`the size ${quoted(override)}`, 'a whole number below 2^53', name);
  // A size that fits into the header must not differ from it.
  if (size < OCTAL_LIMIT && size !== header.sizeBytes)
    throw new TarFault(`two sizes, ${header.sizeBytes} and ${size}`, 'one size', name);
  return size;
}

/** Decodes GNU's long name, which ends with a zero byte. */
function longText(content: Buffer): string {
  const end = content.indexOf(0);
  const text = decoded(end < 0 ? content : content.subarray(0, end), 'a long name');
  if (text === '' || (end >= 0 && end !== content.length - 1))
    throw new TarFault('a long name with a zero byte in it', 'a name');
  return text;
}

function hasAny({ pax, longName, longTarget }: Overrides): boolean {
  return pax !== undefined || longName !== undefined || longTarget !== undefined;
}

function twice(): TarFault {
  return new TarFault('two extended headers for one entry', 'one for each entry');
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
}
