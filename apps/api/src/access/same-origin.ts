import type { Request } from 'express';
import { ApiProblem } from '../http/api-problem.ts';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Checks that a state-changing request with a session cookie comes from a page of this site, since browsers send the cookie whichever
 * site triggers the request. Browsers state the origin in headers that pages can't set; a request without them is refused.
 * @throws ApiProblem `forbidden`
 */
export function checkSameOrigin(request: Pick<Request, 'get' | 'method'>, publicUrl: string): void {
  if (SAFE_METHODS.has(request.method)) return;
  const site = request.get('sec-fetch-site');
  const origin = request.get('origin');
  const own = publicUrl === '' ? `http://${request.get('host') ?? ''}` : new URL(publicUrl).origin;
  if (site !== undefined && site !== 'same-origin') throw crossSite('header Sec-Fetch-Site', site, 'same-origin');
  if (origin !== undefined && origin !== own) throw crossSite('header Origin', origin, own);
  if (site === undefined && origin === undefined) throw crossSite('header Origin', 'nothing', own);
}

function crossSite(field: string, got: string, expected: string): ApiProblem {
  return new ApiProblem('forbidden', 'a session cookie authorizes changes only in requests from Kiln’s own pages', {
    errors: [{ field, got: got.slice(0, 200), expected }],
  });
}
