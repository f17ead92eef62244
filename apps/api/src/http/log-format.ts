import type { Request } from 'express';
import type { LogFormat } from '../logs/log-chunk.ts';

/** In order of preference: a client that takes anything gets what a terminal can show. */
const BY_TYPE: Readonly<Record<string, LogFormat>> = {
  'text/plain': 'text',
  'text/event-stream': 'sse',
  'application/x-ndjson': 'ndjson',
};

/** The format asked for, else the one that the Accept header likes best. */
export function logFormat(request: Pick<Request, 'accepts'>, asked: LogFormat | undefined): LogFormat {
  return asked ?? BY_TYPE[request.accepts(Object.keys(BY_TYPE)) || ''] ?? 'text';
}
