import { once } from 'node:events';
import type { ClientRequest } from 'node:http';
import { answerOf, type HttpAnswer, readText } from './http-answer.ts';
import { answered, openRequest } from './http-request.ts';

export interface StreamingPost {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
  /** As in `HttpRequest`. */
  readonly onSent?: (() => void) | undefined;
}

/**
 * POSTs a body of any length at the pace of the connection. (`fetch` of undici 7, Node 24, ignores backpressure: with a slow reader, 570 MB
 * of a 600 MB stream were in memory.) Throws what the socket or `body` throws.
 */
export async function streamingPost(
  url: string,
  { headers, body, signal, onSent }: StreamingPost,
): Promise<HttpAnswer> {
  const request = openRequest(url, { method: 'POST', headers, signal, onSent });
  const settled = new AbortController();
  const answer = answered(request).finally(() => settled.abort());
  feed(request, body, settled.signal).catch((error: Error) => request.destroy(error));
  try {
    const message = await answer;
    return answerOf(message, await readText({ body: message }));
  } finally {
    // The server answered before it had read the whole body: stop sending.
    if (!request.writableFinished) request.destroy();
  }
}

/** Writes the body until it ends or an answer arrives. */
async function feed(request: ClientRequest, body: AsyncIterable<Uint8Array>, settled: AbortSignal): Promise<void> {
  for await (const chunk of body) {
    if (settled.aborted) return;
    if (!request.write(chunk)) await once(request, 'drain', { signal: settled }).catch(() => {});
  }
  request.end();
}
