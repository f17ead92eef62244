import type { TimedEntry } from './timed-entry.ts';

const VERSION = 1;

/** What was in a tree, and with which times. */
export interface TreeRecord<Head> {
  readonly head: Head;
  readonly entries: readonly TimedEntry[];
}

type Row = readonly [type: 'f' | 'd' | 'l', path: string, mtimeNs: string, ...rest: readonly (string | number)[]];

/** Encoded entries: the same ones are in a tree's record and in the ledger. */
const lines = new WeakMap<readonly TimedEntry[], string>();

/** Encodes a record: a line with its head, then a line with its entries. */
export function encodeRecord<Head extends object>({ head, entries }: TreeRecord<Head>): string {
  const line = lines.get(entries) ?? JSON.stringify(entries.map(rowOf));
  lines.set(entries, line);
  return `${JSON.stringify({ version: VERSION, ...head })}\n${line}\n`;
}

/** Decodes what `encodeRecord` wrote; undefined for anything else, such as half of it, or a record of another version. */
export function decodeRecord<Head extends object>(text: string): TreeRecord<Head> | undefined {
  const end = text.indexOf('\n');
  const head = decodeHead<Head>(text.slice(0, end + 1));
  if (head === undefined || !text.endsWith('\n')) return undefined;
  try {
    return { head, entries: (JSON.parse(text.slice(end + 1)) as Row[]).map(entryOf) };
  } catch {
    return undefined;
  }
}

/** Decodes the head from the beginning of a record; undefined as in `decodeRecord`. */
export function decodeHead<Head extends object>(beginning: string): Head | undefined {
  const end = beginning.indexOf('\n');
  if (end < 0) return undefined;
  try {
    const { version, ...head } = JSON.parse(beginning.slice(0, end)) as { version: number };
    return version === VERSION ? (head as unknown as Head) : undefined;
  } catch {
    return undefined;
  }
}

function rowOf(entry: TimedEntry): Row {
  const { path } = entry;
  const time = String(entry.mtimeNs);
  switch (entry.type) {
    case 'file':
      return ['f', path, time, entry.mode, entry.sizeBytes, entry.contentId];
    case 'directory':
      return ['d', path, time, entry.mode, entry.contentId];
    case 'symlink':
      return ['l', path, time, entry.target];
  }
}

function entryOf([type, path, time, ...rest]: Row): TimedEntry {
  const base = { path, mtimeNs: BigInt(time) };
  switch (type) {
    case 'f':
      return { ...base, type: 'file', mode: rest[0], sizeBytes: rest[1], contentId: rest[2] } as TimedEntry;
    case 'd':
      return { ...base, type: 'directory', mode: rest[0], contentId: rest[1] } as TimedEntry;
    case 'l':
      return { ...base, type: 'symlink', target: rest[0] } as TimedEntry;
  }
}
