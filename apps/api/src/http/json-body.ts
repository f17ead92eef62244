import type { Request } from 'express';
import { admitBody } from './body-gate.ts';
import { fieldComplaint } from './complaint.ts';
import { readJson } from './read-json.ts';

/** A JSON body. @throws Complaint `unsupported_media_type`, `malformed_json`, `body_too_large` */
export async function jsonBody(request: Request, maxBytes: number): Promise<unknown> {
  const type = request.get('content-type');
  if (!request.is('application/json')) {
    throw fieldComplaint('unsupported_media_type', 'header Content-Type', type ?? 'nothing', 'application/json');
  }
  admitBody(request);
  return await readJson(request, maxBytes);
}

/** Whether a request has a body at all, be it an empty one of unknown length. */
export function hasBody({ headers }: Request): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = headers;
  return encoding !== undefined || Number(length ?? 0) > 0;
}
