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

/** How long the end of an archived log stays in Redis for readers that wait for it, ms. */
const ARCHIVED_TTL_MS = 60_000;
/** The first and the longest wait of a log without room, ms; waits double. */
const ROOM_WAIT_MS = { first: 25, most: 1_000 };

/** An attempt's log. */
export interface LogName {
  readonly buildId: string;
  readonly attempt: number;
}

export interface AppendOptions {
  /**
   * Whether these are the last records of an ended build, which need no room. Called again before each try.
   * Default: never.
   */
  readonly isLast?: () => boolean;
}

/** What became of a piece. `lost`: another process has the claim; `stale`: it doesn't follow the last piece; `ended`: the log has ended. */
export type PieceOutcome = 'moved' | 'lost' | 'stale' | 'ended';

const PIECE_OUTCOMES: Readonly<Record<number, PieceOutcome>> = {
  0: 'moved',
  [-1]: 'lost',
  [-2]: 'stale',
  [-3]: 'ended',
};

/** Redis has fewer records of a log than were written, so it has lost the last ones. */
export class LogBehind extends CorruptState {
  /** Number of the last record in Redis; 0 if there is none. */
  readonly lastSeq: number;
  constructor({ buildId, attempt }: AttemptRef, lastSeq: number, firstSeq: number) {
    super(
      `log of build ${buildId}, attempt ${attempt}: got record ${firstSeq} after ${lastSeq}, expected ${lastSeq + 1}`,
    );
    this.lastSeq = lastSeq;
  }
}

/**
 * Live logs: one Redis stream per attempt, with records numbered from 1 without gaps. While a log grows, the API moves its oldest records
 * to the blob store as pieces; the stream starts where the last piece ends.
 */
export class LogStore {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /**
   * Appends records, as JSON lines, to the log of a live attempt; `firstSeq` is the number of the first one. While the log has no room in
   * Redis, this waits until pieces of it, or of louder logs, are in the blob store. May be repeated after a lost answer.
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
   * Reads at most `maxBatches` batches after record `afterSeq`, oldest first. If a piece has the records in between, the first batch starts
   * later.
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

  /** Opens a connection that follows a live log after record `afterSeq`. Dispose of it after the last reader. */
  openTail(buildId: string, attempt: number, afterSeq: number): LogTail {
    return new LogTail(blockingTwin(this.#redis), this.#keys.log(buildId, attempt), afterSeq);
  }

  /**
   * Returns running logs that have at least `bytes` in Redis, or whose writer waits for room; waiting ones first, then the largest.
   * Ended logs are left to the archive.
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

  /** Returns the first record of the newest batch, which must not become part of a piece; undefined if there is no live log. */
  async newestFirst(buildId: string, attempt: number): Promise<number | undefined> {
    const [entry] = await this.#redis.xrevrange(this.#keys.log(buildId, attempt), '+', '-', 'COUNT', 1);
    return entry && batchOf(entry, 0).firstSeq;
  }

  /** Claims a log, to move it to pieces or to the archive; undefined if another process has it. */
  claim(buildId: string, attempt: number): Promise<LogClaim | undefined> {
    return LogClaim.acquire(this.#redis, this.#keys.logClaim(buildId, attempt));
  }

  /**
   * Records a piece that is durable in the blob store and removes its records from Redis. May be repeated after a lost answer.
   * @param bytes size of these records among the log's bytes, see `liveBytes`
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

  /** Reads all pieces of a log, in order. */
  async pieces(buildId: string, attempt: number): Promise<LogPiece[]> {
    return (await this.#redis.zrange(this.#keys.logPieces(buildId, attempt), '0', '-1')).map(parsePiece);
  }

  /** Reads the first piece with records after `seq`. */
  async pieceAfter(buildId: string, attempt: number, seq: number): Promise<LogPiece | undefined> {
    const key = this.#keys.logPieces(buildId, attempt);
    const [piece] = await this.#redis.zrangebyscore(key, `(${seq}`, '+inf', 'LIMIT', 0, 1);
    return piece === undefined ? undefined : parsePiece(piece);
  }

  /** Reads ended logs that aren't archived yet, oldest first. */
  async unarchived(limit: number): Promise<LogName[]> {
    return (await this.#redis.zrange(this.#keys.unarchived(), '0', String(limit - 1))).map(logOf);
  }

  /** Removes an archived log from Redis; its end record stays a little longer. */
  async markArchived(buildId: string, attempt: number): Promise<void> {
    await runScript(
      this.#redis,
      'archive-log',
      [this.#keys.log(buildId, attempt), this.#keys.logPieces(buildId, attempt)],
      [this.#keys.prefix, nameOf({ buildId, attempt }), ARCHIVED_TTL_MS],
    );
  }

  /** Recalculates the size of live logs, to correct errors in their total. */
  async recount(): Promise<void> {
    const { prefix, liveLogs, liveLogBytes, waitingLogs } = this.#keys;
    await runScript(this.#redis, 'recount-logs', [liveLogs(), liveLogBytes(), waitingLogs()], [prefix]);
  }
}

/** The size of a batch among the bytes of a live log, as in lua/lib/live-logs.lua. */
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
  if (!parsed.success) throw new CorruptState(`a stored piece of a log is not valid: ${parsed.error.message}`);
  return parsed.data;
}
