import { once } from 'node:events';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { setTimeout as delay } from 'node:timers/promises';
import { problem } from '@kiln/contracts';
import { trimEnd } from '@kiln/domain';
import type { AttemptRef } from '@kiln/state';
import { z } from 'zod';
import { refusalByApi } from '../attempt/artifact-refusal.ts';

/** While the API is away an attempt waits for it: another host would find it just as absent. After so long it gives up, ms. */
const AWAY_MS = 120_000;
const RETRY_MS = 250;
const ANSWER_MS = 15_000;

/** How a worker on another machine reads contexts and stores artifacts: through the API. */
export class ApiBlobs {
  readonly #url: string;
  readonly #token: string;
  readonly #awayMs: number;

  constructor(url: string, token: string, { awayMs = AWAY_MS } = {}) {
    this.#url = trimEnd(url, '/');
    this.#token = token;
    this.#awayMs = awayMs;
  }

  /** An uploaded context; undefined where the API no longer has it. Waits for an API that is away, until `signal` aborts. */
  async openContext(digest: string, signal?: AbortSignal): Promise<Readable | undefined> {
    const answer = await this.#whenThere(`/v1/contexts/${digest}`, signal);
    if (answer.status === 404) return undefined;
    if (!answer.ok || !answer.body) throw new Error(`the API answered ${answer.status} to a read of context ${digest}`);
    return Readable.fromWeb(answer.body as ReadableStream);
  }

  /**
   * What is sent can't be sent twice: an API that is away is waited for before it begins. Nothing is asked before there is something to
   * send: that is when the build is nearly done, and the API waits for nobody's request for so long.
   */
  async storeArtifact(
    { buildId, attempt }: AttemptRef,
    content: Readable,
  ): Promise<{ digest: string; sizeBytes: number }> {
    await hasBegun(content);
    await this.#whenThere('/readyz');
    const answer = await this.#call(`/v1/artifacts/${buildId}-${attempt}`, {
      method: 'PUT',
      body: Readable.toWeb(content) as unknown as NonNullable<RequestInit['body']>,
      duplex: 'half',
      headers: { 'content-type': 'application/x-tar' },
    }).catch((error: Error) => {
      throw new Error(`the API at ${this.#url} didn't take it: ${causeOf(error)}`);
    });
    if (!answer.ok) throw refusal(buildId, answer.status, await answer.text());
    return z.object({ digest: z.string(), sizeBytes: z.int() }).parse(await answer.json());
  }

  /** Reads `path` as soon as the API answers: no answer, or 502 to 504, says that it is away, or being replaced. */
  async #whenThere(path: string, signal?: AbortSignal): Promise<Response> {
    const end = performance.now() + this.#awayMs;
    for (;;) {
      const answer = await this.#answer(path).catch((error: unknown) => error as Error);
      const isAway = answer instanceof Error || (answer.status >= 502 && answer.status <= 504);
      if (isAway && performance.now() < end) {
        if (!(answer instanceof Error)) await answer.body?.cancel();
        await delay(RETRY_MS, undefined, signal && { signal });
        continue;
      }
      if (answer instanceof Error) throw new Error(`the API at ${this.#url} can't be reached: ${causeOf(answer)}`);
      return answer;
    }
  }

  /** Its status and headers in time; the body may take as long as it likes. */
  async #answer(path: string): Promise<Response> {
    const silent = new AbortController();
    const timer = setTimeout(() => silent.abort(new Error(`no answer within ${ANSWER_MS} ms`)), ANSWER_MS);
    try {
      return await this.#call(path, { signal: silent.signal });
    } finally {
      clearTimeout(timer);
    }
  }

  #call(path: string, init: RequestInit & { headers?: Record<string, string>; duplex?: 'half' }): Promise<Response> {
    return fetch(this.#url + path, { ...init, headers: { ...init.headers, authorization: `Bearer ${this.#token}` } });
  }
}

/** Comes back when there is something to read, or the end. @throws what `content` fails with */
async function hasBegun(content: Readable): Promise<void> {
  if (content.readableLength === 0 && !content.readableEnded && !content.destroyed) await once(content, 'readable');
}

function refusal(buildId: string, status: number, text: string): Error {
  const parsed = problem.safeParse(jsonOf(text));
  const known = parsed.success ? refusalByApi(parsed.data.code, parsed.data.detail) : undefined;
  return known ?? new Error(`the API answered ${status} to an artifact of ${buildId}: ${text}`);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** fetch itself says no more than `fetch failed`. */
function causeOf({ cause, message }: Error): string {
  return cause instanceof Error && cause.message !== '' ? cause.message : message;
}
