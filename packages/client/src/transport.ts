import { readProblem } from './answer.ts';
import { KilnUnreachable } from './errors.ts';
import { streamingPost } from './streaming-post.ts';

export interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** A body that isn't text is streamed by node:http at the pace of the connection. */
  readonly body?: string | AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
}

/** A bearer token, or a function that returns one for each request, for short-lived tokens. */
export type TokenSource = string | (() => Promise<string>);

/** Sends requests to one server: adds its address and token, and turns failures into errors. */
export class Transport {
  readonly url: string;
  readonly #token: TokenSource | undefined;
  readonly #fetch: typeof fetch;

  /** `url` may have a path, for an API behind a proxy. Throws `TypeError` if it isn't an http(s) URL. */
  constructor(url: string, token: TokenSource | undefined, fetchImpl: typeof fetch) {
    const base = new URL(url);
    if (base.protocol !== 'http:' && base.protocol !== 'https:') throw new TypeError(`${url}: not an http(s) URL`);
    let { href } = base;
    while (href.endsWith('/')) href = href.slice(0, -1);
    this.url = href;
    this.#token = token;
    this.#fetch = fetchImpl;
  }

  /** Returns an answer with a status below 400. Throws `KilnProblem`, `KilnUnreachable`, the signal's reason, or what getting a token throws. */
  async call(path: string, { method = 'GET', headers, query, body, signal }: Call): Promise<Response> {
    const url = `${this.url}${path}${search(query)}`;
    const token = typeof this.#token === 'function' ? await this.#token() : this.#token;
    const all = { ...headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) };
    let response: Response;
    try {
      response =
        body === undefined || typeof body === 'string'
          ? await this.#fetch(url, {
              method,
              headers: all,
              ...(body !== undefined && { body }),
              ...(signal && { signal }),
            })
          : await streamingPost(url, { headers: all, body, signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw new KilnUnreachable(this.url, error);
    }
    if (response.status < 400) return response;
    throw await readProblem(`${method} ${path}`, response);
  }

  /** Returns the error to throw when the connection breaks off in the middle of an answer. */
  lost(cause: unknown): KilnUnreachable {
    return new KilnUnreachable(this.url, cause);
  }
}

function search(query: Call['query']): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) if (value !== undefined) params.set(key, String(value));
  return params.size > 0 ? `?${params}` : '';
}
