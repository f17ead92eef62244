/** The error that buildx prints as plain text when a build fails. */
export interface BuildxError {
  /** The text after `ERROR: failed to solve: `, with the lines that follow; all plain lines if there is no such line. */
  readonly message: string;
  /** The Dockerfile's lines around the error, with `>>>` before the faulty ones. */
  readonly excerpt: string | undefined;
}

/** Enough for a person to read. */
const MAX_MESSAGE_CHARS = 2_000;
const MAX_EXCERPT_CHARS = 4_000;
const RULE = /^-{5,}$/;

/** Parses what buildx prints at the end: a position (`Dockerfile:3`), the lines around it between two rules, then the error. */
export function readErrorLines(lines: readonly string[]): BuildxError {
  const at = lines.findLastIndex((line) => line.startsWith('ERROR: '));
  const text = at === -1 ? lines : lines.slice(at);
  const message = text
    .join('\n')
    .replace(/^ERROR: (?:failed to build: )?(?:target [\w-]+: )?(?:failed to solve: )?/, '')
    .trim();
  return { message: cut(message, MAX_MESSAGE_CHARS), excerpt: excerptOf(at === -1 ? lines : lines.slice(0, at)) };
}

function excerptOf(lines: readonly string[]): string | undefined {
  const last = lines.findLastIndex((line) => RULE.test(line));
  const first = lines.slice(0, last).findLastIndex((line) => RULE.test(line));
  if (first === -1) return undefined;
  const body = lines.slice(first + 1, last).map((line) => line.trimEnd());
  return body.some((line) => line.includes('| >>>')) ? cut(body.join('\n'), MAX_EXCERPT_CHARS) : undefined;
}

function cut(text: string, chars: number): string {
  return text.length > chars ? `${text.slice(0, chars)}…` : text;
}
