import type { ClientRequest, IncomingMessage } from 'node:http';
import { createRequire } from 'node:module';
import { KilnBadAnswer } from './errors.ts';
import { answerOf, type HttpAnswer } from './http-answer.ts';

export interface HttpRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Called when the whole request has been handed to the system. */
  readonly onSent?: (() => void) | undefined;
}

/** How long a connection may take, and how long the server may then say nothing, in ms. As in `fetch`. */
const CONNECT_TIMEOUT_MS = 10_000;
const SILENCE_TIMEOUT_MS = 300_000;
const MAX_REDIRECTS = 5;

/**
 * `import` of node:http, like `fetch`, loads undici, because it reads all exports: 30 to 60 ms before the first request of a short command. `require`
 * reads those that are asked for.
 */
const require = createRequire(import.meta.url);

/**
 * Opens a request on Node's own agent, which keeps connections open for the next request and uses proxies as Node is told to
 * (`NODE_USE_ENV_PROXY`). Fails with `ETIMEDOUT` if there is no connection or no answer in time.
 */
export function openRequest(url: string, { signal, onSent, ...options }: HttpRequest): ClientRequest {
  const { request: open } = url.startsWith('https:')
    ? (require('node:https') as typeof import('node:https'))
    : (require('node:http') as typeof import('node:http'));
  const request = open(url, { ...options, ...(signal && { signal }) });
  const late = (what: string, ms: number) =>
    Object.assign(new Error(`${what} within ${ms / 1000} s`), { code: 'ETIMEDOUT' });
  if (onSent) request.once('finish', onSent);
  request.setTimeout(SILENCE_TIMEOUT_MS, () => request.destroy(late('no data', SILENCE_TIMEOUT_MS)));
  request.on('socket', (socket) => {
    if (!socket.connecting) return;
    const limit = setTimeout(() => request.destroy(late('no connection', CONNECT_TIMEOUT_MS)), CONNECT_TIMEOUT_MS);
    for (const event of ['connect', 'close']) socket.once(event, () => clearTimeout(limit));
  });
  return request;
}

/** Returns the message that answers a request. */
export function answered(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.on('response', resolve);
    request.on('error', reject);
  });
}

/**
 * Sends a request with a body that is complete, or none. A GET follows redirects within its origin, and is repeated if the server closed
 * the connection that was kept open for it. Throws `KilnBadAnswer` for other redirects, and what the socket throws.
 */
export async function sendRequest(url: string, options: HttpRequest & { readonly body?: string }): Promise<HttpAnswer> {
  const { body, ...request } = options;
  let at = url;
  for (let redirects = 0; ; redirects += 1) {
    const message = await sendOnce(at, request, body);
    const { location } = message.headers;
    if (!isRedirect(message.statusCode) || location === undefined) return answerOf(message);
    message.destroy();
    const next = new URL(location, at);
    if (request.method !== 'GET' || next.origin !== new URL(at).origin || redirects === MAX_REDIRECTS) {
      throw new KilnBadAnswer(`${request.method} ${at}`, `it redirects to ${next.href}`);
    }
    at = next.href;
  }
}

async function sendOnce(url: string, options: HttpRequest, body: string | undefined): Promise<IncomingMessage> {
  for (;;) {
    const request = openRequest(url, options);
    request.end(body);
    try {
      return await answered(request);
    } catch (error) {
      const wasClosed = request.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET';
      if (!wasClosed || options.method !== 'GET' || options.signal?.aborted) throw error;
    }
  }
}

function isRedirect(status = 0): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}
