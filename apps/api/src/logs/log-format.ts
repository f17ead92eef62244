import type { Request } from 'express';
import type { LogFormat } from './log-chunk.ts';

/** In order of preference: a client that accepts anything gets the event stream, which has all the data. */
const BY_TYPE: Readonly<Record<string, LogFormat>> = {
  'text/event-stream': 'sse',
  'text/plain': 'text',
  'application/x-ndjson': 'ndjson',
};

/** The requested format, or else the one that the Accept header prefers. */
export function logFormat(request: Pick<Request, 'accepts'>, asked: LogFormat | undefined): LogFormat {
  return asked ?? BY_TYPE[request.accepts(Object.keys(BY_TYPE)) || ''] ?? 'sse';
}
