import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { TLSSocket } from 'node:tls';

/** How long a server may take to answer, ms. */
const TIMEOUT_MS = 5_000;

/** What a server answered. Times in ms since the epoch. */
export interface Probe {
  readonly status: number;
  /** The server's clock by its header Date, which has no fractions of a second. */
  readonly date: number | undefined;
  /** This machine's clock in the middle of the request. */
  readonly askedAt: number;
  readonly roundTripMs: number;
  /** When its certificate ends. */
  readonly certificateEnds: number | undefined;
  readonly text: string;
}

/** Most of an answer that is read. */
const MAX_CHARS = 10_000;

/** Sends a GET to a URL. @throws Error if it can't be reached, or its certificate isn't trusted */
export async function probe(url: string): Promise<Probe> {
  const startedAt = performance.now();
  const startedNow = Date.now();
  const send = url.startsWith('https:') ? httpsRequest : httpRequest;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = send(url, { headers: { 'user-agent': 'kiln' }, timeout: TIMEOUT_MS, agent: false }, resolve);
    request.on('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    request.on('error', reject);
    request.end();
  });
  const roundTripMs = performance.now() - startedAt;
  const socket = response.socket as Partial<TLSSocket>;
  const ends = socket.getPeerCertificate?.().valid_to;
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) {
    text += chunk;
    if (text.length > MAX_CHARS) break;
  }
  const { date } = response.headers;
  return {
    status: response.statusCode ?? 0,
    date: date === undefined ? undefined : Date.parse(date),
    askedAt: startedNow + roundTripMs / 2,
    roundTripMs,
    certificateEnds: ends === undefined ? undefined : Date.parse(ends),
    text,
  };
}

/** Describes why a server could not be reached. */
export function reasonOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  if (error instanceof AggregateError) return reasonOf(error.errors[0]);
  return message || code || String(error);
}
