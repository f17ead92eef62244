import { fieldProblem } from '../http/api-problem.ts';

const MAX_CHARS = 1_000;

/**
 * Checks where to go after a login: only a path of this site, and nothing that a browser could take for another site.
 * @throws ApiProblem `invalid_request`
 */
export function safeReturnTo(path: string, publicUrl: string): string {
  const refuse = () =>
    fieldProblem(
      'invalid_request',
      'query returnTo',
      JSON.stringify(path.slice(0, 200)),
      'a path of this site, such as /builds',
    );
  // Browsers remove tabs and line breaks from URLs, and read a backslash as a slash.
  if (path.length > MAX_CHARS || !/^\/(?![/\\])[^\p{Cc}\\]*$/u.test(path)) throw refuse();
  if (!URL.canParse(path, publicUrl)) throw refuse();
  const url = new URL(path, publicUrl);
  if (url.origin !== new URL(publicUrl).origin) throw refuse();
  return url.pathname + url.search + url.hash;
}
