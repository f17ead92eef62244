import type { Request, RequestHandler, Response } from 'express';
import { type PageFile, readPage } from './page-files.ts';

/** The page loads nothing from elsewhere, runs only its own files, and can't be framed. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "base-uri 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

const IMMUTABLE = 'public, max-age=31536000, immutable';
/** Paths that belong to the API: what isn't there stays a problem as JSON. */
const API_PATHS = /^\/(?:v\d+|auth|docs|openapi\.json|healthz|readyz|metrics|admin)(?:\/|$)/;
const PLACE_OF_BASE = '<base href="./" />';

const NOT_BUILT = `The page is not built.

Running from sources: infra/setup builds it (or: bash apps/web/build); then start Kiln again.
The API works without it: its documentation is at /docs.
`;

/**
 * Serves the page built in `dir`: its files, and for paths of the page's own, such as /builds/ID, the document that shows them. All
 * links in it are relative, so it also works below a path of a proxy. Passes on everything else.
 */
export function pageHandler(dir: string): RequestHandler {
  let files: ReadonlyMap<string, PageFile> | undefined;
  let isRead = false;
  return (request, response, next) => {
    if ((request.method !== 'GET' && request.method !== 'HEAD') || API_PATHS.test(request.path)) return next();
    // Read for the first visitor: most processes of tests and many of a pool never have one.
    if (!isRead) files = readPage(dir);
    isRead = files !== undefined;
    const file = files?.get(request.path.slice(1));
    if (file && request.path !== '/index.html') return sendFile(request, response, file);
    if (request.path !== '/' && !wantsPage(request)) return next();
    const index = files?.get('index.html');
    if (!index) {
      response.status(404).type('text/plain').setHeader('Cache-Control', 'no-store');
      response.send(NOT_BUILT);
      return;
    }
    sendDocument(request, response, index);
  };
}

/** Whether a browser navigates there, rather than a program that asks for a file or an answer of the API. */
function wantsPage(request: Request): boolean {
  return (request.get('accept') ?? '').includes('text/html') && !/\.\w{1,8}$/.test(request.path);
}

function sendFile(request: Request, response: Response, file: PageFile): void {
  response.setHeader('Cache-Control', request.path.startsWith('/assets/') ? IMMUTABLE : 'public, max-age=3600');
  response.setHeader('Vary', 'Accept-Encoding');
  const accepted = request.acceptsEncodings();
  const encoding =
    accepted.includes('br') && file.br ? 'br' : accepted.includes('gzip') && file.gzip ? 'gzip' : undefined;
  if (encoding) response.setHeader('Content-Encoding', encoding);
  send(response, file.type, (encoding && file[encoding]) ?? file.body);
}

/** Sends the document, with its base as many directories up as the request's path is deep. */
function sendDocument(request: Request, response: Response, { type, body }: PageFile): void {
  const depth = request.path.split('/').length - 2;
  const base = depth > 0 ? '../'.repeat(depth) : './';
  response.setHeader('Cache-Control', 'no-cache');
  response.setHeader('Content-Security-Policy', POLICY);
  response.setHeader('X-Frame-Options', 'DENY');
  response.setHeader('Referrer-Policy', 'no-referrer');
  send(response, type, Buffer.from(body.toString().replace(PLACE_OF_BASE, `<base href="${base}" />`)));
}

function send(response: Response, type: string, body: Buffer): void {
  response.writeHead(200, { 'Content-Type': type, 'Content-Length': body.length });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}
