import { randomUUID } from 'node:crypto';
import type { LogPiece, LogRecord, PoolEvent } from '@kiln/contracts';
import { buildRequest } from '@kiln/contracts';
import { type BuildEvent, type BuildRecord, currentAttempt, isIllegal, transition } from '@kiln/domain';
import type { BuildStore, LogBatch, PieceOutcome, PoolEvents, StoredBuild } from '@kiln/state';
import type { LiveLogs, LiveTail } from '../logs/live-logs.ts';

/** Lets everything else that is ready run first. */
export const tick = () => new Promise<void>((resolve) => setImmediate(resolve));

export async function ticks(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await tick();
}

/** How long `until` waits, ms. */
const PATIENCE_MS = 30_000;

/** Waits, turn by turn of the event loop, until `holds` returns true. @throws after 30 s */
export async function until(holds: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + PATIENCE_MS;
  while (!holds()) {
    if (performance.now() > giveUpAt) throw new Error(`not true within ${PATIENCE_MS} ms: ${holds}`);
    await tick();
  }
}

/** One build and its logs in memory, with the guarantee of the real stores that an attempt and its log end by one write. */
export class FakePool {
  readonly id = '01arz3ndektsv4rrffq69g5fav';
  readonly listeners = new Set<(event: PoolEvent) => void>();
  readonly streams = new Map<number, LogBatch[]>();
  readonly archived = new Set<number>();
  /** Pieces that were moved out of the streams. */
  readonly moved = new Map<number, LogPiece[]>();
  readonly #claims = new Map<number, string>();
  /** Whether events are lost, as while Redis is away. */
  deaf = false;
  reads = 0;
  tails = 0;
  #record: BuildRecord;
  #changed = Promise.withResolvers<void>();

  constructor() {
    this.#record = {
      id: this.id,
      revision: 1,
      state: 'queued',
      repo: 'app',
      team: 'default',
      createdAt: 1,
      queuedAt: 1,
      attempts: [],
    };
  }

  get record(): BuildRecord {
    return this.#record;
  }

  readonly builds: Pick<BuildStore, 'get'> = {
    get: async (id) => {
      await tick();
      return id === this.id ? this.stored() : undefined;
    },
  };

  readonly events: Pick<PoolEvents, 'subscribe'> = {
    subscribe: (listener) => {
      this.listeners.add(listener);
      return { [Symbol.dispose]: () => void this.listeners.delete(listener) };
    },
  };

  readonly logs: { -readonly [M in keyof LiveLogs]: LiveLogs[M] } = {
    exists: async (_id, attempt) => this.streams.has(attempt),
    read: async (_id, attempt, after, max) => {
      this.reads += 1;
      await tick();
      return (this.streams.get(attempt) ?? []).flatMap((batch) => cut(batch, after)).slice(0, max);
    },
    openTail: (_id, attempt, after) => this.#tail(attempt, after),
    unarchived: async () =>
      this.#record.attempts
        .filter(({ number, endedAt }) => endedAt !== undefined && !this.archived.has(number))
        .map(({ number }) => ({ buildId: this.id, attempt: number })),
    claim: async (_id, attempt) => this.#claim(attempt),
    loud: async () => this.#record.attempts.map(({ number }) => ({ buildId: this.id, attempt: number })),
    newestFirst: async (_id, attempt) => this.streams.get(attempt)?.at(-1)?.firstSeq,
    pieces: async (_id, attempt) => [...(this.moved.get(attempt) ?? [])],
    pieceAfter: async (_id, attempt, seq) => {
      await tick();
      return this.moved.get(attempt)?.find(({ lastSeq }) => lastSeq > seq);
    },
    movePiece: async ({ attempt }, holder, piece) => this.#movePiece(attempt, holder, piece),
    recount: async () => {},
    markArchived: async (_id, attempt) => {
      const stream = this.streams.get(attempt);
      if (stream) this.streams.set(attempt, stream.slice(-1));
      this.archived.add(attempt);
    },
  };

  async #claim(attempt: number) {
    await tick();
    if (this.#claims.has(attempt)) return undefined;
    const holder = randomUUID();
    this.#claims.set(attempt, holder);
    return { holder, [Symbol.asyncDispose]: async () => void this.#claims.delete(attempt) };
  }

  /** Moves a piece or nothing, as the script does. */
  async #movePiece(attempt: number, holder: string, piece: LogPiece): Promise<PieceOutcome> {
    await tick();
    const stream = this.streams.get(attempt) ?? [];
    const pieces = this.moved.get(attempt) ?? [];
    if (this.#claims.get(attempt) !== holder) return 'lost';
    if (this.#record.attempts[attempt - 1]?.endedAt !== undefined) return 'ended';
    const left = stream.filter(({ firstSeq }) => firstSeq > piece.lastSeq);
    if (piece.firstSeq !== (pieces.at(-1)?.lastSeq ?? 0) + 1 || left.length === 0) return 'stale';
    this.streams.set(attempt, left);
    this.moved.set(attempt, [...pieces, piece]);
    return 'moved';
  }

  stored(): StoredBuild {
    const { secrets: _, ...request } = buildRequest.parse({ source: { type: 'upload', name: 'app' } });
    return { record: this.#record, spec: { ...request, secrets: [] } };
  }

  apply(event: BuildEvent): void {
    const before = currentAttempt(this.#record)?.number;
    const next = transition(this.#record, event, this.#record.revision * 10);
    if (isIllegal(next)) throw new Error(`${event.type} in ${next.state}`);
    if ((event.type === 'finish' || event.type === 'lose') && before) {
      this.append(before, [{ t: 1, type: 'end', state: next.state }]);
    }
    this.#record = next;
    const { state, revision } = next;
    this.#wake();
    if (this.deaf) return;
    const published: PoolEvent = { type: 'build', id: this.id, state, revision, attempt: before ?? 0, host: '' };
    for (const listener of this.listeners) listener(published);
  }

  append(attempt: number, records: readonly LogRecord[]): void {
    const stream = this.streams.get(attempt) ?? [];
    this.streams.set(attempt, stream);
    const last = stream.at(-1);
    const firstSeq = last ? last.firstSeq + last.lines.length : 1;
    stream.push({ firstSeq, lines: records.map((record) => JSON.stringify(record)) });
    this.#wake();
  }

  expire(attempt: number): void {
    this.streams.delete(attempt);
    this.moved.delete(attempt);
  }

  #tail(attempt: number, from: number): LiveTail {
    let after = from;
    let closed = false;
    this.tails += 1;
    return {
      next: async () => {
        const changed = this.#changed.promise;
        let found = (this.streams.get(attempt) ?? []).flatMap((batch) => cut(batch, after)).slice(0, 3);
        // Waits for a while, as XREAD BLOCK does.
        if (found.length === 0 && !closed) await Promise.race([changed, ticks(20)]);
        found = closed ? [] : (this.streams.get(attempt) ?? []).flatMap((batch) => cut(batch, after)).slice(0, 3);
        const last = found.at(-1);
        if (last) after = last.firstSeq + last.lines.length - 1;
        return found;
      },
      [Symbol.asyncDispose]: async () => {
        if (!closed) this.tails -= 1;
        closed = true;
        this.#wake();
      },
    };
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

function cut({ firstSeq, lines }: LogBatch, after: number): LogBatch[] {
  const skip = Math.max(0, after + 1 - firstSeq);
  return skip >= lines.length ? [] : [{ firstSeq: firstSeq + skip, lines: lines.slice(skip) }];
}
