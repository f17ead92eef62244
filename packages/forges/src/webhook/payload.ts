import { type FieldProblem, fieldProblems, type ProblemCode } from '@kiln/contracts';
import type { z } from 'zod';
import { type Headers, header } from './headers.ts';

const SHOWN_PROBLEMS = 20;

/** An authentic webhook that can't be read. `code` is the problem code to answer with. */
export class BadPayload extends Error {
  readonly code: Extract<ProblemCode, 'unsupported_media_type' | 'malformed_json' | 'invalid_request'>;
  readonly errors: readonly FieldProblem[];

  constructor(code: BadPayload['code'], detail: string, errors: readonly FieldProblem[] = []) {
    super(detail);
    this.code = code;
    this.errors = errors.slice(0, SHOWN_PROBLEMS);
  }
}

/**
 * Parses the JSON of a webhook's body. With `form`, also accepts a form whose field `payload` contains the JSON.
 * @throws BadPayload
 */
export function readPayload(headers: Headers, body: Uint8Array, { form }: { readonly form: boolean }): unknown {
  const given = header(headers, 'content-type');
  const type = given?.split(';')[0]?.trim().toLowerCase();
  if (type === 'application/json') return parseJson(utf8(body));
  if (form && type === 'application/x-www-form-urlencoded') {
    const payload = new URLSearchParams(utf8(body)).get('payload');
    if (payload === null)
      throw new BadPayload('invalid_request', 'the form has no field payload, expected one with the JSON');
    return parseJson(payload);
  }
  const expected = form ? 'application/json or application/x-www-form-urlencoded' : 'application/json';
  throw new BadPayload('unsupported_media_type', 'the webhook’s Content-Type is not supported', [
    {
      field: 'header Content-Type',
      got: given === undefined ? 'nothing' : JSON.stringify(given.slice(0, 200)),
      expected,
    },
  ]);
}

function utf8(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new BadPayload('malformed_json', 'the body is not valid UTF-8');
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new BadPayload('malformed_json', 'the body is not valid JSON');
  }
}

/**
 * Reads the fields of `schema` from a payload. Ignores all others: forges add fields at any time.
 * @throws BadPayload
 */
export function pick<T extends z.ZodType>(schema: T, json: unknown): z.output<T> {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const errors = fieldProblems(parsed.error, json);
  throw new BadPayload('invalid_request', 'the payload is not as the forge documents it', errors);
}
