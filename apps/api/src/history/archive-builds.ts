import { randomBytes, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { BlobStore } from '@kiln/blobs';
import { historyKey } from '@kiln/contracts';
import type { EndedBuild, EndedRef, HistoryPlace, HistoryStore } from '@kiln/state';
import type { Logger } from 'pino';

const pack = promisify(gzip);

/** Most builds whose documents share a blob, and about how many characters such documents have. */
const BLOB_BUILDS = 1_000;
const BLOB_CHARS = 16 * 1024 * 1024;
const READ_AT_A_TIME = 16;
const UNIQUE_BYTES = 6;

interface Stored extends Pick<EndedBuild, 'id' | 'stamp' | 'doc' | 'spec'> {
  readonly place: HistoryPlace;
}

type ArchivedHistory = Pick<HistoryStore, 'claim' | 'release' | 'ended' | 'read' | 'shrink'>;

/**
 * Moves ended builds out of Redis: writes the documents of many builds into one blob, then shrinks each build in Redis to what lists need.
 * Until then a build is whole in Redis. A process that dies in between leaves an unreferenced blob, which `pruneDocuments` deletes later.
 */
export class BuildArchiver {
  readonly #history: ArchivedHistory;
  readonly #blobs: Pick<BlobStore, 'put'>;
  readonly #log: Logger;
  readonly #holder = randomUUID();

  constructor(history: ArchivedHistory, blobs: Pick<BlobStore, 'put'>, log: Logger) {
    this.#history = history;
    this.#blobs = blobs;
    this.#log = log;
  }

  /** Moves all builds that ended before `endedBefore` (ms since the epoch), unless another process has the claim. Returns their number. */
  async round(endedBefore: number, signal: AbortSignal): Promise<number> {
    if (!(await this.#history.claim(this.#holder))) return 0;
    try {
      let moved = 0;
      let left = 0;
      while (!signal.aborted) {
        const refs = await this.#history.ended(endedBefore, left, BLOB_BUILDS);
        if (refs.length === 0) break;
        const { tried, shrunk } = await this.#move(refs, signal);
        moved += shrunk;
        // Builds that weren't shrunk stay at the head of the list, and are skipped in the next page.
        left += tried - shrunk;
      }
      return moved;
    } finally {
      await this.#history.release(this.#holder);
    }
  }

  async #move(refs: readonly EndedRef[], signal: AbortSignal): Promise<{ tried: number; shrunk: number }> {
    const first = await this.#history.read(idsOf(refs.slice(0, READ_AT_A_TIME)));
    if (first.length === 0) return { tried: Math.min(refs.length, READ_AT_A_TIME), shrunk: 0 };
    const key = historyKey(refs.at(-1)?.endedAt ?? 0, randomBytes(UNIQUE_BYTES).toString('hex'));
    const writing: Writing = { key, tried: 0, stored: [] };
    const { sizeBytes } = await this.#blobs.put(
      key,
      Readable.from(this.#members(refs, first, writing, signal), { objectMode: false }),
    );
    const shrunk = await this.#history.shrink(this.#holder, writing.stored);
    this.#log.info({ blob: key, builds: shrunk, sizeBytes }, 'ended builds archived');
    return { tried: writing.tried, shrunk };
  }

  /** Compresses in threads of libuv's pool, a page of builds at a time. */
  async *#members(refs: readonly EndedRef[], first: readonly EndedBuild[], writing: Writing, signal: AbortSignal) {
    let start = 0;
    let chars = 0;
    for (let i = 0; i < refs.length && chars < BLOB_CHARS; i += READ_AT_A_TIME) {
      signal.throwIfAborted();
      const page = refs.slice(i, i + READ_AT_A_TIME);
      const builds = i === 0 ? first : await this.#history.read(idsOf(page));
      const members = await Promise.all(builds.map(({ document }) => pack(`${document}\n`)));
      for (const [n, { id, stamp, doc, spec, document }] of builds.entries()) {
        const member = members[n] as Buffer;
        writing.stored.push({ id, stamp, doc, spec, place: { blob: writing.key, start, bytes: member.length } });
        start += member.length;
        chars += document.length;
      }
      writing.tried += page.length;
      yield Buffer.concat(members);
    }
  }
}

/** What has been written to one blob so far. */
interface Writing {
  readonly key: string;
  tried: number;
  readonly stored: Stored[];
}

function idsOf(refs: readonly EndedRef[]): string[] {
  return refs.map(({ id }) => id);
}
