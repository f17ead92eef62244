import type { z } from 'zod';
import { BASE } from '../app/base.ts';
import { readProblem, Unreachable } from './problem.ts';

export interface CallInit {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>> | undefined;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** Sends a request to the API that this page came from. `path` without a slash in front: `v1/builds`. @throws ApiError, Unreachable */
export async function send(
  path: string,
  { method = 'GET', query, body, headers, signal }: CallInit = {},
): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(urlOf(path, query), {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw new Unreachable(error);
  }
  if (!answer.ok) throw await readProblem(answer);
  return answer;
}

/** The URL of a route of the API. */
export function urlOf(path: string, query: CallInit['query'] = {}): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) params.set(key, String(value));
  return `${BASE}${path}${params.size > 0 ? `?${params}` : ''}`;
}

/** Calls a route and parses its answer by the API's own schema. @throws ApiError, Unreachable */
export async function call<S extends z.ZodType>(path: string, schema: S, init?: CallInit): Promise<z.output<S>> {
  const value: unknown = await (await send(path, init)).json();
  return parseAnswer(schema, value);
}

/** Parses a value by a schema. Unknown fields, as from a newer server, are no error. */
export function parseAnswer<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  if (parsed.error.issues.every(({ code }) => code === 'unrecognized_keys')) return value as z.output<S>;
  const [issue] = parsed.error.issues;
  throw new TypeError(
    `The answer is not as expected: ${issue?.path.join('.')}: ${issue?.message}. Reload the page: the server may have been upgraded.`,
  );
}
