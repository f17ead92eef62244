import type { Problem } from '@kiln/contracts';
import type { z } from 'zod';
import { KilnBadAnswer, KilnProblem } from './errors.ts';
import { type HttpAnswer, readText } from './http-answer.ts';

const SHOWN_CHARS = 200;

/**
 * How to parse what has the size of one build: compiling the schema, as zod does by default, takes as long as parsing some hundred of these without. In a
 * `kiln build` that would be most of the time for answers.
 */
export const FEW = { jitless: true } as const;

/**
 * Parses an answer by its schema. Unknown fields are dropped, so that a client keeps working against a newer API;
 * any other mismatch throws `KilnBadAnswer`.
 */
export function readAnswer<S extends z.ZodType>(
  what: string,
  schema: S,
  value: unknown,
  how?: typeof FEW,
): z.output<S> {
  const first = schema.safeParse(value, how);
  if (first.success) return first.data;
  const unknown = first.error.issues.filter((issue) => issue.code === 'unrecognized_keys');
  if (unknown.length === first.error.issues.length) {
    for (const issue of unknown) dropKeys(value, issue.path, issue.keys);
    const second = schema.safeParse(value, how);
    if (second.success) return second.data;
  }
  const issue = first.error.issues[0];
  throw new KilnBadAnswer(what, issue ? `${issue.path.join('.') || 'body'}: ${issue.message}` : 'malformed');
}

function dropKeys(value: unknown, path: readonly PropertyKey[], keys: readonly string[]): void {
  const holder = path.reduce<unknown>((at, key) => (isRecord(at) ? at[key] : undefined), value);
  if (isRecord(holder)) for (const key of keys) delete holder[key];
}

function isRecord(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === 'object' && value !== null;
}

/** Reads the problem from an answer with a status of 400 or above, or builds one if the answer is not Kiln's, such as a proxy's error page. */
export async function readProblem(what: string, answer: HttpAnswer): Promise<KilnProblem> {
  const text = await readText(answer).catch(() => '');
  const { problem } = await import('./build-schemas.ts');
  const parsed = problem.safeParse(parseJson(text));
  const after = answer.header('retry-after');
  return new KilnProblem(
    parsed.success ? parsed.data : foreignProblem(what, answer.status, text),
    after !== undefined && /^\d{1,6}$/.test(after) ? Number(after) * 1_000 : undefined,
  );
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function foreignProblem(what: string, status: number, text: string): Problem {
  const shown = text.replace(/\s+/g, ' ').trim().slice(0, SHOWN_CHARS);
  const code =
    status === 401 || status === 403
      ? 'unauthorized'
      : status === 404
        ? 'not_found'
        : isPassing(status)
          ? 'unavailable'
          : 'internal';
  return {
    type: 'about:blank',
    title: `HTTP ${status}`,
    status,
    code,
    detail: `${what} answered ${status} without problem details${shown ? `: ${shown}` : ''}`,
    errors: [],
  };
}

/** Whether the same request may succeed a little later, judging by the status. */
export function isPassing(status: number): boolean {
  return status === 429 || status === 502 || status === 503 || status === 504;
}
