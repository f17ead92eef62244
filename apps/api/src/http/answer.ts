import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BlobStoreUnavailable } from '@kiln/blobs';
import type { ApiProblem } from './api-problem.ts';

/** How long an unread body is discarded after a refusal, ms: a client that is still sending reads the answer only if the connection stays open. */
const LINGER_MS = 1_000;

/** Formats a time for answers, by RFC 3339. */
export function instant(ms: number): string {
  return new Date(ms).toISOString();
}

export function sendJson(response: ServerResponse, status: number, body: unknown, type = 'application/json'): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': bytes.length });
  response.end(bytes);
}

/** Sends problem details. A body that hasn't been read is then discarded for a moment, and the connection is closed. */
export function sendProblem(
  request: IncomingMessage,
  response: ServerResponse,
  problem: ApiProblem,
  requestId: string,
): void {
  for (const [name, value] of Object.entries(problem.headers)) response.setHeader(name, value);
  const bytes = Buffer.from(JSON.stringify(problem.toProblem(requestId)));
  const isUnread = !request.complete && hasBody(request);
  response.writeHead(problem.status, {
    'Content-Type': 'application/problem+json',
    'Content-Length': bytes.length,
    'Cache-Control': 'no-store',
    ...(isUnread && { Connection: 'close' }),
  });
  if (!isUnread || request.method === 'HEAD' || request.destroyed) {
    response.end(bytes);
    return;
  }
  response.write(bytes);
  const end = () => {
    clearTimeout(timer);
    if (!response.writableEnded) response.end();
  };
  const timer = setTimeout(end, LINGER_MS);
  request.on('end', end);
  request.on('close', end);
  request.on('error', end);
  request.resume();
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Streams a blob. A client that disconnects is not an error. @throws BlobStoreUnavailable if the store breaks off: the answer is then cut off, too */
export async function sendBlob(
  response: ServerResponse,
  blob: Readable,
  headers: Readonly<Record<string, string | number>>,
): Promise<void> {
  response.writeHead(200, headers);
  try {
    await pipeline(blob, response);
  } catch (error) {
    if (!response.destroyed || error instanceof BlobStoreUnavailable) throw error;
  }
}
