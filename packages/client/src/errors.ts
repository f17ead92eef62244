import type { Problem } from '@kiln/contracts';

/** The API answered with a problem (RFC 9457). `problem.code` is stable; match on it, not on the message. */
export class KilnProblem extends Error {
  override readonly name = 'KilnProblem';
  readonly problem: Problem;
  /** How long the API asks the client to wait before a retry, in ms, if it does. */
  readonly retryAfterMs: number | undefined;

  constructor(problem: Problem, retryAfterMs?: number) {
    super(problem.detail || problem.title);
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The API could not be reached: refused, reset, timed out, no such host. `code` is the system's error code, such as `ECONNREFUSED`. */
export class KilnUnreachable extends Error {
  override readonly name = 'KilnUnreachable';
  readonly url: string;
  readonly code: string | undefined;

  constructor(url: string, cause: unknown) {
    const { code, text } = rootCause(cause);
    super(`${url} can't be reached: ${text}`, { cause });
    this.url = url;
    this.code = code;
  }
}

/** The answer doesn't match the contract: another version of the API, or not Kiln's API at all. */
export class KilnBadAnswer extends Error {
  override readonly name = 'KilnBadAnswer';

  constructor(what: string, why: string) {
    super(`${what}: this version of Kiln's client can't read the answer (${why})`);
  }
}

/** Finds the socket's error, which is at the end of the chain of causes: `fetch failed` alone is of no use. */
function rootCause(cause: unknown): { code: string | undefined; text: string } {
  let at = cause;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  if (at instanceof AggregateError && at.errors[0] instanceof Error) at = at.errors[0];
  if (!(at instanceof Error)) return { code: undefined, text: String(at) };
  const code = 'code' in at && typeof at.code === 'string' ? at.code : undefined;
  return { code, text: at.message || code || at.name };
}
