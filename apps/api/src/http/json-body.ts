import type { Request } from 'express';
import { fieldProblem } from './api-problem.ts';
import { admitBody } from './body-gate.ts';
import { readJson } from './read-json.ts';

/** Reads a JSON body. @throws ApiProblem `unsupported_media_type`, `malformed_json`, `body_too_large` */
export async function jsonBody(request: Request, maxBytes: number): Promise<unknown> {
  const type = request.get('content-type');
  if (!request.is('application/json')) {
    throw fieldProblem('unsupported_media_type', 'header Content-Type', type ?? 'nothing', 'application/json');
  }
  admitBody(request);
  return await readJson(request, maxBytes);
}

/** Whether a request has a body; an empty one of unknown length counts. */
export function hasBody({ headers }: Request): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = headers;
  return encoding !== undefined || Number(length ?? 0) > 0;
}
