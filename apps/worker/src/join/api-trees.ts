import { setTimeout as delay } from 'node:timers/promises';
import { KilnClient, KilnProblem, KilnUnreachable } from '@kiln/client';
import { MAX_TREE_DIGESTS } from '@kiln/contracts';
import {
  type Digest,
  readParts,
  TreeCutOff,
  type TreePart,
  TreePartMissing,
  type TreeReader,
  type WantedParts,
} from '@kiln/trees';

/** How long an attempt waits for an API that doesn't answer, ms: another host couldn't reach it either. */
const AWAY_MS = 120_000;
const RETRY_MS = 250;
const ANSWER_MS = 15_000;

interface Wanted {
  readonly kind: 'directories' | 'files';
  readonly digest: Digest;
}

/** Nothing came from the API for a while. */
class NoAnswer extends Error {
  constructor() {
    super(`no answer within ${ANSWER_MS} ms`);
  }
}

/** Reads the objects of trees through the API, for workers that don't share its blob store. */
export class ApiTrees {
  readonly #client: KilnClient;
  readonly #awayMs: number;

  constructor(url: string, token: string, { awayMs = AWAY_MS } = {}) {
    this.#client = new KilnClient({ url, token });
    this.#awayMs = awayMs;
  }

  /** Reads a team's objects. If the API is away or being replaced, also in mid-stream, it goes on where it was as soon as the API is back. */
  of(team: string): TreeReader {
    return { read: (wanted, signal) => this.#read(team, listOf(wanted), signal) };
  }

  async *#read(team: string, wanted: readonly Wanted[], signal: AbortSignal | undefined): AsyncGenerator<TreePart> {
    const left = new Map(wanted.map((one) => [`${one.kind} ${one.digest}`, one]));
    const patience = new Patience(this.#awayMs, signal);
    while (left.size > 0) {
      const some = left.values().take(MAX_TREE_DIGESTS).toArray();
      try {
        for await (const part of this.#once(team, some, signal)) {
          yield { ...part, content: this.#goingOn(team, part, signal) };
          left.delete(part.type === 'file' ? `files ${part.digest}` : `directories ${part.object.digest}`);
          patience.restart();
        }
        const missing = some.find(({ kind, digest }) => left.has(`${kind} ${digest}`));
        if (missing) throw new TreePartMissing(missing.digest);
      } catch (error) {
        await patience.after(error);
      }
    }
  }

  /** The content of a part, which goes on in another answer if the first one breaks off. */
  async *#goingOn(team: string, part: TreePart, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    const one: Wanted =
      part.type === 'file'
        ? { kind: 'files', digest: part.digest }
        : { kind: 'directories', digest: part.object.digest };
    const patience = new Patience(this.#awayMs, signal);
    let got = 0;
    for (let content: AsyncIterable<Uint8Array> | undefined = part.content; ; content = undefined) {
      let skip = content ? 0 : got;
      try {
        for await (const chunk of content ?? this.#contentOf(team, one, signal)) {
          const rest = chunk.subarray(Math.min(skip, chunk.length));
          skip -= chunk.length - rest.length;
          got += rest.length;
          patience.restart();
          if (rest.length > 0) yield rest;
        }
        return;
      } catch (error) {
        await patience.after(error);
      }
    }
  }

  async *#contentOf(team: string, one: Wanted, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    for await (const part of this.#once(team, [one], signal)) yield* part.content;
  }

  /** Reads objects with one request. @throws TreePartMissing */
  async *#once(team: string, wanted: readonly Wanted[], signal: AbortSignal | undefined): AsyncGenerator<TreePart> {
    const silent = new AbortController();
    const timer = setTimeout(() => silent.abort(new NoAnswer()), ANSWER_MS);
    const digests = (kind: Wanted['kind']) => wanted.flatMap((one) => (one.kind === kind ? [one.digest] : []));
    const body = { directories: digests('directories'), files: digests('files') };
    const stop = signal ? AbortSignal.any([signal, silent.signal]) : silent.signal;
    const bytes = this.#client.readTreeParts(body, { team, signal: stop });
    async function* heard(): AsyncGenerator<Uint8Array> {
      for await (const chunk of bytes) {
        clearTimeout(timer);
        yield chunk;
      }
    }
    try {
      yield* readParts(heard());
    } catch (error) {
      const isMissing = error instanceof KilnProblem && error.problem.code === 'tree_part_not_found';
      throw isMissing ? new TreePartMissing((error.problem.errors[0]?.got ?? '') as Digest) : error;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** How long to wait for the API since it was heard last. */
class Patience {
  readonly #awayMs: number;
  readonly #signal: AbortSignal | undefined;
  #end = 0;

  constructor(awayMs: number, signal: AbortSignal | undefined) {
    this.#awayMs = awayMs;
    this.#signal = signal;
    this.restart();
  }

  restart(): void {
    this.#end = performance.now() + this.#awayMs;
  }

  /** Waits for a moment after an error that passes. @throws the error if it doesn't, or has lasted for too long; the signal's reason */
  async after(error: unknown): Promise<void> {
    this.#signal?.throwIfAborted();
    if (!isAway(error) || performance.now() >= this.#end) throw error;
    await delay(RETRY_MS, undefined, this.#signal && { signal: this.#signal });
  }
}

function isAway(error: unknown): boolean {
  if (error instanceof KilnProblem) return error.problem.status >= 502 && error.problem.status <= 504;
  return error instanceof KilnUnreachable || error instanceof TreeCutOff || error instanceof NoAnswer;
}

function listOf({ directories, files }: WantedParts): Wanted[] {
  return [
    ...directories.map((digest) => ({ kind: 'directories', digest }) as const),
    ...files.map((digest) => ({ kind: 'files', digest }) as const),
  ];
}
