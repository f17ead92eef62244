import { parseReference, repositoryName } from '../image/reference.ts';

/**
 * The frontends that builds may use: `any`, or image repositories by their full names (`docker.io/docker/dockerfile`). BuildKit's built-in
 * frontend is always allowed.
 */
export type AllowedFrontends = 'any' | readonly string[];

/** The build argument that names a frontend. It takes precedence over the Dockerfile. */
export const SYNTAX_ARG = 'BUILDKIT_SYNTAX';

/**
 * Returns the image of the frontend that BuildKit would run for a Dockerfile; undefined for the built-in one. Reads all forms that any version
 * of BuildKit supports (frontend/dockerfile/parser/directives.go): `# syntax=…` among the directives at the top, `// syntax=…`, or the
 * `syntax` of a JSON document.
 */
export function syntaxOf(dockerfile: string): string | undefined {
  const text = withoutShebang(dockerfile.replace(/^\ufeff/, ''));
  return directive(text, '#') ?? directive(text, '//') ?? jsonSyntax(text);
}

/**
 * Returns the frontend that a build names but may not use; undefined if it names none, or an allowed one.
 * @param dockerfile its text, or at least the part with its directives
 */
export function refusedFrontend(
  dockerfile: string | undefined,
  buildArgs: Readonly<Record<string, string>>,
  allowed: AllowedFrontends,
): string | undefined {
  if (allowed === 'any') return undefined;
  const argument = Object.hasOwn(buildArgs, SYNTAX_ARG) ? (buildArgs[SYNTAX_ARG] ?? '').trim() : undefined;
  const named = argument ?? (dockerfile === undefined ? undefined : syntaxOf(dockerfile));
  if (named === undefined) return undefined;
  const [image = ''] = named.split(' ');
  const repository = repositoryOf(image);
  return repository !== undefined && allowed.includes(repository) ? undefined : image;
}

/** Returns the full name of an image's repository: `docker.io/docker/dockerfile` for `docker/dockerfile:1`. Undefined if it isn't an image reference. */
export function repositoryOf(image: string): string | undefined {
  const reference = parseReference(image);
  return reference && repositoryName(reference);
}

/** Reads the lines at the top that look like directives, whatever their names: early versions of BuildKit continue after unknown ones, too. */
function directive(text: string, comment: '#' | '//'): string | undefined {
  for (const line of lines(text)) {
    if (!line.startsWith(comment)) return undefined;
    const rest = line.slice(comment.length);
    const equals = rest.indexOf('=');
    const name = rest.slice(0, Math.max(0, equals)).trim().toLowerCase();
    if (!/^[a-z][a-z0-9]{0,100}$/.test(name)) return undefined;
    const value = rest.slice(equals + 1).trim();
    if (value === '') return undefined;
    if (name === 'syntax') return value;
  }
  return undefined;
}

function* lines(text: string): Generator<string> {
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf('\n', from);
    yield text.slice(from, end < 0 ? undefined : end);
    if (end < 0) return;
    from = end + 1;
  }
}

function withoutShebang(text: string): string {
  if (!text.startsWith('#!')) return text;
  const end = text.indexOf('\n');
  return end < 0 ? '' : text.slice(end + 1);
}

function jsonSyntax(text: string): string | undefined {
  if (!text.trimStart().startsWith('{')) return undefined;
  try {
    const { syntax } = JSON.parse(text) as { syntax?: unknown };
    return typeof syntax === 'string' ? syntax : undefined;
  } catch {
    return undefined;
  }
}
