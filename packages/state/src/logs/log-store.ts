import { setTimeout as delay } from 'node:timers/promises';
import { type LogPiece, logPiece } from '@kiln/contracts';
import type { Redis } from 'ioredis';
import type { AttemptRef } from '../builds/attempt-store.ts';
import { CorruptState, StaleAttempt } from '../builds/errors.ts';
import { blockingTwin } from '../redis/connect.ts';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';
import type { LogBatch } from '../types.ts';
import { LogClaim } from './log-claim.ts';
import { batchOf, LogTail, MAX_SEQ } from './log-tail.ts';

/** How long the end of an archived log stays in Redis for those who wait for it there, ms. */
const ARCHIVED_TTL_MS = 60_000;
/** Waits of a log without room, ms: each is twice as long as the one before. */
const ROOM_WAIT_MS = { first: 25, most: 1_000 };

/** An attempt's log. */
export interface LogName {
  readonly buildId: string;
  readonly attempt: number;
}

export interface AppendOptions {
  /**
   * Whether these are the last records, of a build that has ended: they don't wait for room. Asked again before each try.
   * Default: never.
   */
  readonly isLast?: () => boolean;
}

/** What became of a piece: `lost`, its claim is another's by now; `stale`, it doesn't follow on the last one; `ended`, the log has. */
export type PieceOutcome = 'moved' | 'lost' | 'stale' | 'ended';

const PIECE_OUTCOMES: Readonly<Record<number, PieceOutcome>> = {
  0: 'moved',
  [-1]: 'lost',
  [-2]: 'stale',
  [-3]: 'ended',
};

/** Redis has fewer records of the log than were written: it has lost the last ones. */
export class LogBehind extends CorruptState {
  /** Number of the last record that is there; 0 where none is. */
  readonly lastSeq: number;
  constructor({ buildId, attempt }: AttemptRef, lastSeq: number, firstSeq: number) {
    super(`log of ${buildId}, attempt ${attempt}: a gap between record ${lastSeq} and ${firstSeq}`);
    this.lastSeq = lastSeq;
  }
}

/**
 * Live logs: one Redis stream per attempt, records numbered from 1 without gaps. What the API has moved to the blob store while the log
 * grew is noted as pieces; the stream goes on where the last piece ends.
 */
export class LogStore {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /**
   * Appends records, already as JSON lines, in the name of a live attempt; `firstSeq` is the number of the first.
   * While the log has no room in Redis it waits until pieces of it, or of louder ones, are in the blob store: that holds the writer up.
   * May be repeated when the answer was lost.
   * @throws StaleAttempt also while it waits @throws LogBehind
   */
  async append(
    ref: AttemptRef,
    firstSeq: number,
    lines: readonly string[],
    { isLast = () => false }: AppendOptions = {},
  ): Promise<void> {
    const { buildId, attempt, incarnation, nonce = '' } = ref;
    const keys = [this.#keys.build(buildId), this.#keys.log(buildId, attempt)];
    const batch = [firstSeq, lines.length, lines.join('\n')];
    const args = [attempt, incarnation, nonce, ...batch, this.#keys.prefix, nameOf(ref)];
    for (let waitMs = ROOM_WAIT_MS.first; ; waitMs = Math.min(ROOM_WAIT_MS.most, 2 * waitMs)) {
      const code = await runScript(this.#redis, 'append-log', keys, [...args, isLast() ? '1' : '0']);
      if (code === -1) throw new StaleAttempt(buildId, attempt);
      if (Array.isArray(code)) throw new LogBehind(ref, Number(code[0]), firstSeq);
      if (code !== -3) return;
      await delay(waitMs);
    }
  }

  exists(buildId: string, attempt: number): Promise<boolean> {
    return this.#redis.exists(this.#keys.log(buildId, attempt)).then((count) => count > 0);
  }

  /**
   * Batches after record `afterSeq`, oldest first, at most `maxBatches`; empty when there is nothing after it. The first one is a later
   * one than was asked for where a piece has the records between.
   */
  async read(buildId: string, attempt: number, afterSeq: number, maxBatches: number): Promise<LogBatch[]> {
    const entries = await this.#redis.xrange(
      this.#keys.log(buildId, attempt),
      `(${afterSeq}-${MAX_SEQ}`,
      '+',
      'COUNT',
      maxBatches,
    );
    return entries.map((entry) => batchOf(entry, afterSeq));
  }

  /** Follows a live log after record `afterSeq`, on a connection of its own. Dispose it when the last reader has gone. */
  openTail(buildId: string, attempt: number, afterSeq: number): LogTail {
    return new LogTail(blockingTwin(this.#redis), this.#keys.log(buildId, attempt), afterSeq);
  }

  /**
   * Logs that go on, and have at least `bytes` in Redis or a writer that waits for room; those that wait, and the loudest, first.
   * Those that have ended are the archive's.
   */
  async loud(bytes: number, limit: number): Promise<LogName[]> {
    const [waiting, loud] = await Promise.all([
      this.#redis.srandmember(this.#keys.waitingLogs(), limit),
      this.#redis.zrevrangebyscore(this.#keys.liveLogs(), '+inf', bytes, 'LIMIT', 0, limit),
    ]);
    const names = [...new Set([...waiting, ...loud])].slice(0, limit);
    if (names.length === 0) return [];
    const ended = await this.#redis.zmscore(this.#keys.unarchived(), ...names);
    return names.filter((_, i) => ended[i] === null).map(logOf);
  }

  /** First record of the newest batch, which no piece may have; undefined where there is no live log. */
  async newestFirst(buildId: string, attempt: number): Promise<number | undefined> {
    const [entry] = await this.#redis.xrevrange(this.#keys.log(buildId, attempt), '+', '-', 'COUNT', 1);
    return entry && batchOf(entry, 0).firstSeq;
  }

  /** Takes the right to move a log, to pieces or to the archive; undefined while another process has it. */
  claim(buildId: string, attempt: number): Promise<LogClaim | undefined> {
    return LogClaim.take(this.#redis, this.#keys.logClaim(buildId, attempt));
  }

  /**
   * Notes a piece that is durable in the blob store, and takes its records out of Redis. `batches`: those that it holds.
   * May be repeated when the answer was lost.
   */
  async movePiece(
    { buildId, attempt }: LogName,
    holder: string,
    piece: LogPiece,
    bytes: number,
  ): Promise<PieceOutcome> {
    const code = await runScript(
      this.#redis,
      'move-piece',
      [this.#keys.log(buildId, attempt), this.#keys.logPieces(buildId, attempt), this.#keys.logClaim(buildId, attempt)],
      [
        ...[this.#keys.prefix, nameOf({ buildId, attempt }), holder, piece.firstSeq, piece.lastSeq, bytes],
        JSON.stringify(piece),
      ],
    );
    return PIECE_OUTCOMES[Number(code)] ?? 'stale';
  }

  /** All pieces of a log, in order. */
  async pieces(buildId: string, attempt: number): Promise<LogPiece[]> {
    return (await this.#redis.zrange(this.#keys.logPieces(buildId, attempt), '0', '-1')).map(parsePiece);
  }

  /** The first piece that has records after `seq`. */
  async pieceAfter(buildId: string, attempt: number, seq: number): Promise<LogPiece | undefined> {
    const key = this.#keys.logPieces(buildId, attempt);
    const [piece] = await this.#redis.zrangebyscore(key, `(${seq}`, '+inf', 'LIMIT', 0, 1);
    return piece === undefined ? undefined : parsePiece(piece);
  }

  /** Attempts that have ended and whose log is not in the archive yet, oldest first. */
  async unarchived(limit: number): Promise<LogName[]> {
    return (await this.#redis.zrange(this.#keys.unarchived(), '0', String(limit - 1))).map(logOf);
  }

  /** Says that the archive holds the log: what Redis has of it goes, its end a little later. */
  async markArchived(buildId: string, attempt: number): Promise<void> {
    await runScript(
      this.#redis,
      'archive-log',
      [this.#keys.log(buildId, attempt), this.#keys.logPieces(buildId, attempt)],
      [this.#keys.prefix, nameOf({ buildId, attempt }), ARCHIVED_TTL_MS],
    );
  }

  /** Counts live logs again, so that what went wrong with a sum goes wrong no further. */
  async recount(): Promise<void> {
    const { prefix, liveLogs, liveLogBytes, waitingLogs } = this.#keys;
    await runScript(this.#redis, 'recount-logs', [liveLogs(), liveLogBytes(), waitingLogs()], [prefix]);
  }
}

/** What a batch counts among the bytes of a live log: see lua/lib/live-logs.lua. */
export function liveBytes(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0) - 1 + ENTRY_BYTES;
}
const ENTRY_BYTES = 32;

function nameOf({ buildId, attempt }: LogName): string {
  return `${buildId}:${attempt}`;
}

function logOf(name: string): LogName {
  const at = name.lastIndexOf(':');
  return { buildId: name.slice(0, at), attempt: Number(name.slice(at + 1)) };
}

function parsePiece(json: string): LogPiece {
  const parsed = logPiece.safeParse(JSON.parse(json));
  if (!parsed.success) throw new CorruptState(`a piece of a log is not one: ${parsed.error.message}`);
  return parsed.data;
}
