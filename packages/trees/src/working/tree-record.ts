import { type Splice, spliced } from './record-delta.ts';
import type { TimedEntry } from './timed-entry.ts';

const VERSION = 1;

/** What was in a tree, and with which times. */
export interface TreeRecord<Head> {
  readonly head: Head;
  readonly entries: readonly TimedEntry[];
}

type Row = readonly [type: 'f' | 'd' | 'l', path: string, mtimeNs: string, ...rest: readonly (string | number)[]];

type SpliceRow = readonly [at: number, removed: number, added: readonly Row[]];

/** How many entries are encoded together: texts of all of a large tree would be several times as large as the tree. */
const PIECE_ENTRIES = 1_000;

/** Encodes a record, in pieces: a line with its head, then a line with its entries. */
export function* encodeRecord<Head extends object>({ head, entries }: TreeRecord<Head>): Generator<string> {
  yield `${encodeHead(head)}[`;
  for (let at = 0; at < entries.length; at += PIECE_ENTRIES) {
    const rows = JSON.stringify(entries.slice(at, at + PIECE_ENTRIES).map(rowOf));
    yield `${at === 0 ? '' : ','}${rows.slice(1, -1)}`;
  }
  yield ']\n';
}

export function encodeHead(head: object): string {
  return `${JSON.stringify({ version: VERSION, ...head })}\n`;
}

/** Encodes what makes a record into the next one, to be appended to it: a line with the new head, then a line with the differences. */
export function encodeDelta(head: object, splices: readonly Splice[]): string {
  const rows = splices.map(({ at, removed, added }): SpliceRow => [at, removed, added.map(rowOf)]);
  return `${encodeHead(head)}${JSON.stringify(rows)}\n`;
}

/**
 * Decodes what `encodeRecord` wrote, and `encodeDelta` after it; undefined for anything else, such as half of it, or a record of another version. Half of a
 * delta makes all of it unusable: what is older mustn't be taken for what was last written.
 */
export function decodeRecord<Head extends object>(text: string): TreeRecord<Head> | undefined {
  const lines = text.split('\n');
  if (lines.length % 2 === 0 || lines.pop() !== '') return undefined;
  try {
    let [head, entries] = [decodeHead<Head>(`${lines[0]}\n`), (JSON.parse(lines[1] ?? '') as Row[]).map(entryOf)];
    for (let i = 2; head !== undefined && i < lines.length; i += 2) {
      head = decodeHead<Head>(`${lines[i]}\n`);
      const rows = JSON.parse(lines[i + 1] ?? '') as SpliceRow[];
      entries = spliced(
        entries,
        rows.map(([at, removed, added]) => ({ at, removed, added: added.map(entryOf) })),
      );
    }
    return head && { head, entries };
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
