import { buffer } from 'node:stream/consumers';
import { setImmediate as breathe } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { BlobStore } from '@kiln/blobs';
import type { LogMembers } from '@kiln/contracts';
import type { LogBatch } from '@kiln/state';
import { LogChunk } from './log-chunk.ts';

const pack = promisify(gzip);
const unpack = promisify(gunzip);

/** Size of a gzip member before compression, in characters: what a reader unpacks to start anywhere. */
const MEMBER_CHARS = 128 * 1024;

/** The members of a blob written so far. */
export interface MemberList {
  readonly members: LogMembers[number][];
  /** The last record so far; before the first member, the record that precedes it. */
  lastSeq: number;
  sizeBytes: number;
}

/**
 * Packs consecutive batches as gzip members of about a page each, and adds them to `list`. Compression runs in libuv's thread pool; the
 * event loop only joins lines.
 */
export async function* packMembers(
  batches: AsyncIterable<LogBatch>,
  list: MemberList,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  for await (const { firstSeq, lines } of pagesOf(batches)) {
    signal.throwIfAborted();
    const member = await pack(`${lines.join('\n')}\n`);
    list.members.push({ byte: list.sizeBytes, firstSeq });
    list.lastSeq = firstSeq + lines.length - 1;
    list.sizeBytes += member.length;
    yield member;
    await breathe();
  }
}

async function* pagesOf(batches: AsyncIterable<LogBatch>): AsyncGenerator<LogBatch> {
  let page: { firstSeq: number; lines: string[]; chars: number } | undefined;
  for await (const { firstSeq, lines } of batches) {
    page ??= { firstSeq, lines: [], chars: 0 };
    for (const line of lines) {
      page.lines.push(line);
      page.chars += line.length + 1;
    }
    if (page.chars < MEMBER_CHARS) continue;
    yield page;
    page = undefined;
  }
  if (page) yield page;
}

/** Reads the records after `seq`, to the end of their member; undefined if the blob doesn't exist. */
export async function readMember(
  blobs: Pick<BlobStore, 'open'>,
  { key, members, attempt }: { readonly key: string; readonly members: LogMembers; readonly attempt: number },
  seq: number,
): Promise<LogChunk | undefined> {
  const at = members.findLastIndex(({ firstSeq }) => firstSeq <= seq + 1);
  const member = members[at];
  if (!member) return undefined;
  const next = members[at + 1]?.byte;
  const packed = await blobs.open(key, { start: member.byte, ...(next !== undefined && { end: next - 1 }) });
  if (!packed) return undefined;
  const lines = (await unpack(await buffer(packed))).toString('utf8').split('\n');
  // The last line ends with a newline too.
  lines.pop();
  return new LogChunk(attempt, member.firstSeq, lines).after(seq);
}
