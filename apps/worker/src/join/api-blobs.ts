import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { setTimeout as delay } from 'node:timers/promises';
import { problem } from '@kiln/contracts';
import { trimEnd } from '@kiln/domain';
import type { AttemptRef } from '@kiln/state';
import { z } from 'zod';
import { refusalByApi } from '../attempt/artifact-refusal.ts';
import { AWAY_MS, AWAY_RETRY_MS, hasBegun } from './patience.ts';

const ANSWER_MS = 15_000;

/** Reads contexts and stores artifacts through the API, for workers that don't share its blob directory. */
export class ApiBlobs {
  readonly #url: string;
  readonly #token: string;
  readonly #awayMs: number;

  constructor(url: string, token: string, { awayMs = AWAY_MS } = {}) {
    this.#url = trimEnd(url, '/');
    this.#token = token;
    this.#awayMs = awayMs;
  }

  /** Opens an uploaded context; undefined if the API no longer has it. Waits for an API that is away, until `signal` aborts. */
  async openContext(digest: string, signal?: AbortSignal): Promise<Readable | undefined> {
    const answer = await this.#whenThere(`/v1/contexts/${digest}`, signal);
    if (answer.status === 404) return undefined;
    if (!answer.ok || !answer.body)
      throw new Error(`reading context ${digest}: got status ${answer.status} from the API`);
    return Readable.fromWeb(answer.body as ReadableStream);
  }

  /**
   * Stores an artifact. A stream can't be sent twice, so this waits for an API that is away before it starts to send. It makes no request
   * before there is content, which is when the build is nearly done: the API would time such a request out.
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
      throw new Error(`sending the artifact to the API at ${this.#url} failed: ${causeOf(error)}`);
    });
    if (!answer.ok) throw refusal(buildId, answer.status, await answer.text());
    return z.object({ digest: z.string(), sizeBytes: z.int() }).parse(await answer.json());
  }

  /** Stores the record of an attempt. An API of an older version knows no such route. */
  async storeTrace({ buildId, attempt }: AttemptRef, packed: Buffer): Promise<void> {
    const answer = await this.#answer(`/v1/traces/${buildId}-${attempt}`, {
      method: 'PUT',
      body: packed,
      headers: { 'content-type': 'application/gzip' },
    });
    await answer.body?.cancel();
    if (!answer.ok) throw new Error(`storing the record of ${buildId}: got status ${answer.status} from the API`);
  }

  /** Gets `path` as soon as the API answers. No answer, or a status of 502 to 504, means that it is away or being replaced. */
  async #whenThere(path: string, signal?: AbortSignal): Promise<Response> {
    const end = performance.now() + this.#awayMs;
    for (;;) {
      const answer = await this.#answer(path).catch((error: unknown) => error as Error);
      const isAway = answer instanceof Error || (answer.status >= 502 && answer.status <= 504);
      if (isAway && performance.now() < end) {
        if (!(answer instanceof Error)) await answer.body?.cancel();
        await delay(AWAY_RETRY_MS, undefined, signal && { signal });
        continue;
      }
      if (answer instanceof Error) throw new Error(`the API at ${this.#url} can’t be reached: ${causeOf(answer)}`);
      return answer;
    }
  }

  /** Limits the time until status and headers arrive; the body may take any time. */
  async #answer(path: string, init: CallInit = {}): Promise<Response> {
    const silent = new AbortController();
    const timer = setTimeout(() => silent.abort(new Error(`no answer within ${ANSWER_MS} ms`)), ANSWER_MS);
    try {
      return await this.#call(path, { ...init, signal: silent.signal });
    } finally {
      clearTimeout(timer);
    }
  }

  #call(path: string, init: CallInit): Promise<Response> {
    return fetch(this.#url + path, { ...init, headers: { ...init.headers, authorization: `Bearer ${this.#token}` } });
  }
}

type CallInit = RequestInit & { headers?: Record<string, string>; duplex?: 'half' };

function refusal(buildId: string, status: number, text: string): Error {
  const parsed = problem.safeParse(jsonOf(text));
  const known = parsed.success ? refusalByApi(parsed.data.code, parsed.data.detail) : undefined;
  return known ?? new Error(`storing the artifact of ${buildId}: got status ${status} from the API: ${text}`);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The message of fetch's own error is only `fetch failed`. */
function causeOf({ cause, message }: Error): string {
  return cause instanceof Error && cause.message !== '' ? cause.message : message;
}
