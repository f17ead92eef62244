import type { Request } from 'express';
import { ApiProblem } from '../http/api-problem.ts';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * A request that changes something and is let in by a cookie must come from a page of this site: a browser sends the cookie
 * whoever makes it send the request. Browsers say where a request comes from in headers that pages can't set; one that says
 * nothing isn't believed. @throws ApiProblem `forbidden`
 */
export function checkSameOrigin(request: Pick<Request, 'get' | 'method'>, publicUrl: string): void {
  if (SAFE_METHODS.has(request.method)) return;
  const site = request.get('sec-fetch-site');
  const origin = request.get('origin');
  const own = new URL(publicUrl).origin;
  if (site !== undefined && site !== 'same-origin') throw crossSite('header Sec-Fetch-Site', site, 'same-origin');
  if (origin !== undefined && origin !== own) throw crossSite('header Origin', origin, own);
  if (site === undefined && origin === undefined) throw crossSite('header Origin', 'nothing', own);
}

function crossSite(field: string, got: string, expected: string): ApiProblem {
  return new ApiProblem('forbidden', 'a session’s cookie counts for this only in requests of Kiln’s own pages', {
    errors: [{ field, got: got.slice(0, 200), expected }],
  });
}
