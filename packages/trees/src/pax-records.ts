import { decoded } from './header-fields.ts';
import { quoted, TarFault } from './tar-fault.ts';

const LF = 0x0a;
/** Keys of extended attributes, whose values are bytes. */
const ATTRIBUTES = /^(?:SCHILY\.xattr|LIBARCHIVE\.xattr)\./;
/** Keys that change the name, size or type of an entry, but that not all readers know. */
const REFUSED = /^(?:GNU\.|SCHILY\.(?:realsize|filetype)$|(?:hdr)?charset$)/;
const TIME = /^-?[0-9]{1,20}(?:\.[0-9]{1,20})?$/;
const WHOLE = /^[0-9]{1,20}$/;
const NUMBERS = new Map([
  ['mtime', TIME],
  ['atime', TIME],
  ['ctime', TIME],
  ['uid', WHOLE],
  ['gid', WHOLE],
]);
/** `git archive` writes the commit into a comment. */
const GIT_COMMENT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

export interface PaxOptions {
  /** Whether values of extended attributes, which are discarded, may be any bytes. Otherwise they must be text like all others. */
  readonly allowBinaryAttributes: boolean;
}

/**
 * Parses the records `<length> <key>=<value>\n` of an extended header, whose length includes itself. Rejects what readers by lines and by lengths
 * interpret differently: line breaks and zero bytes, wrong lengths, repeated keys.
 * @throws TarFault
 */
export function paxRecords(content: Buffer, { allowBinaryAttributes }: PaxOptions): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < content.length; ) {
    const end = endOfRecord(content, at);
    const equals = content.indexOf(0x3d, at);
    const space = content.indexOf(0x20, at);
    if (equals < 0 || equals >= end || equals === space + 1) throw damaged();
    const key = decoded(content.subarray(space + 1, equals), 'a key');
    const value = content.subarray(equals + 1, end - 1);
    if (/[\n\0]/.test(key)) throw damaged();
    if (REFUSED.test(key)) throw refusedKey(key);
    if (!(allowBinaryAttributes && ATTRIBUTES.test(key))) checkText(key, value);
    if (records.has(key)) throw new TarFault(`an extended header with ${quoted(key)} twice`, 'each key once');
    records.set(key, ATTRIBUTES.test(key) ? '' : decoded(value, 'a value of an extended header'));
    at = end;
  }
  if (records.size === 0) throw new TarFault('an empty extended header', 'none, or one with records');
  return records;
}

/** Checks a global header. Only that of `git archive` is accepted, which describes no entry. @throws TarFault */
export function checkGlobal(records: ReadonlyMap<string, string>): void {
  if (records.size === 1 && GIT_COMMENT.test(records.get('comment') ?? '')) return;
  throw new TarFault(
    `a global extended header with ${[...records.keys()].map(quoted).join(', ')}`,
    'none, or that of git archive, with the commit as its only comment',
  );
}

/** Returns the offset after the record. */
function endOfRecord(content: Buffer, at: number): number {
  const space = content.indexOf(0x20, at);
  const digits = space < 0 ? '' : content.toString('latin1', at, space);
  if (!/^[1-9][0-9]{0,7}$/.test(digits)) throw damaged();
  const end = at + Number(digits);
  if (end > content.length || end <= space || content[end - 1] !== LF) throw damaged();
  return end;
}

function checkText(key: string, value: Buffer): void {
  const what = value.includes(LF) ? 'a line end' : value.includes(0) ? 'a zero byte' : undefined;
  if (NUMBERS.get(key)?.test(value.toString('latin1')) === false)
    throw new TarFault(`an extended header with ${quoted(key)} ${quoted(value.toString('latin1'))}`, 'a number');
  if (what === undefined) return;
  const hint = ATTRIBUTES.test(key) ? ': pack it without extended attributes (--no-xattrs)' : '';
  throw new TarFault(`an extended header with ${what} in ${quoted(key)}`, `values of one line${hint}`);
}

function refusedKey(key: string): TarFault {
  if (key.startsWith('GNU.sparse.')) return new TarFault('a sparse file', 'whole files: pack it without --sparse');
  return new TarFault(`an extended header with ${quoted(key)}`, 'names in UTF-8, and whole files');
}

function damaged(): TarFault {
  return new TarFault('a damaged extended header', 'records of length, key and value');
}
