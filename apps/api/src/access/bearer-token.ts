import { tokenKind } from '@kiln/domain';
import type { Request } from 'express';

/** Returns the secret of the session of a `kiln login` that a request carries as its bearer token, if any. */
export function cliSession(request: Pick<Request, 'get'>): string | undefined {
  const token = bearerToken(request);
  return token !== undefined && tokenKind(token) === 'session' ? token : undefined;
}

/** Returns the token of the header `Authorization`; undefined if it holds none. */
export function bearerToken(request: Pick<Request, 'get'>): string | undefined {
  return /^Bearer +([^\s]+) *$/i.exec(request.get('authorization') ?? '')?.[1];
}
