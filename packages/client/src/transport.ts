import { readProblem } from './answer.ts';
import { KilnBadAnswer, KilnUnreachable } from './errors.ts';
import type { HttpAnswer } from './http-answer.ts';
import { sendRequest } from './http-request.ts';
import { streamingPost } from './streaming-post.ts';

export interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** A body that isn't text is streamed at the pace of the connection. */
  readonly body?: string | AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
  /** Called when the whole request has been sent, perhaps more than once. */
  readonly onSent?: (() => void) | undefined;
}

/** A bearer token, or a function that returns one for each request, for short-lived tokens. */
export type TokenSource = string | (() => Promise<string>);

/** Sends requests to one server: adds its address and token, and turns failures into errors. */
export class Transport {
  readonly url: string;
  /** The version in the server's last answer, if it told one. */
  serverVersion: string | undefined;
  readonly #token: TokenSource | undefined;

  /** `url` may have a path, for an API behind a proxy. Throws `TypeError` if it isn't an http(s) URL. */
  constructor(url: string, token: TokenSource | undefined) {
    const base = new URL(url);
    if (base.protocol !== 'http:' && base.protocol !== 'https:') throw new TypeError(`${url}: not an http(s) URL`);
    let { href } = base;
    while (href.endsWith('/')) href = href.slice(0, -1);
    this.url = href;
    this.#token = token;
  }

  /**
   * Returns an answer with a status below 400. Throws `KilnProblem`, `KilnUnreachable`, `KilnBadAnswer` for a redirect to elsewhere, the
   * signal's reason, or what getting a token throws. Reading the answer's body throws `KilnUnreachable`, or the signal's reason.
   */
  async call(path: string, { method = 'GET', headers, query, body, signal, onSent }: Call): Promise<HttpAnswer> {
    const url = `${this.url}${path}${search(query)}`;
    const token = typeof this.#token === 'function' ? await this.#token() : this.#token;
    const all = {
      'user-agent': 'kiln',
      accept: '*/*',
      ...headers,
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    };
    let answer: HttpAnswer;
    try {
      answer =
        body === undefined || typeof body === 'string'
          ? await sendRequest(url, { method, headers: all, signal, onSent, ...(body !== undefined && { body }) })
          : await streamingPost(url, { headers: all, body, signal, onSent });
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof KilnBadAnswer ? error : new KilnUnreachable(this.url, error);
    }
    this.serverVersion = answer.header('kiln-version') ?? this.serverVersion;
    if (answer.status >= 400) throw await readProblem(`${method} ${path}`, answer);
    return { ...answer, body: this.#read(answer.body, signal) };
  }

  async *#read(body: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    try {
      yield* body;
    } catch (error) {
      signal?.throwIfAborted();
      const isReset = (error as NodeJS.ErrnoException).code === 'ECONNRESET';
      throw new KilnUnreachable(this.url, isReset ? 'the connection broke off in the middle of an answer' : error);
    }
  }
}

function search(query: Call['query']): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) if (value !== undefined) params.set(key, String(value));
  return params.size > 0 ? `?${params}` : '';
}
