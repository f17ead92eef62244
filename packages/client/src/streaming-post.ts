import { once } from 'node:events';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';

export interface StreamingPost {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * POSTs a body of any length at the pace of the connection. Uses node:http because `fetch` (undici 7, Node 24) ignores
 * backpressure: with a slow reader, 570 MB of a 600 MB stream were in memory. Throws what the socket or `body` throws.
 */
export async function streamingPost(url: string, { headers, body, signal }: StreamingPost): Promise<Response> {
  const open = url.startsWith('https:') ? httpsRequest : httpRequest;
  const request = open(url, { method: 'POST', headers, ...(signal && { signal }) });
  const settled = new AbortController();
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    request.on('response', resolve);
    request.on('error', reject);
  }).finally(() => settled.abort());
  feed(request, body, settled.signal).catch((error: Error) => request.destroy(error));
  try {
    const response = await answer;
    return new Response(await text(response), {
      status: response.statusCode ?? 0,
      headers: Object.entries(response.headers).flatMap(([name, value]) =>
        [value ?? []].flat().map((one): [string, string] => [name, one]),
      ),
    });
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
