import { type FieldProblem, fieldProblems, type ProblemCode } from '@kiln/contracts';
import type { z } from 'zod';
import { type Headers, header } from './headers.ts';

const SHOWN_PROBLEMS = 20;

/** A webhook that is authentic but can't be read. `code` is that of the problem document to answer with. */
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
 * The JSON of a webhook's body; `form`: also where it came as the field `payload` of a form.
 * @throws BadPayload
 */
export function readPayload(headers: Headers, body: Uint8Array, { form }: { readonly form: boolean }): unknown {
  const given = header(headers, 'content-type');
  const type = given?.split(';')[0]?.trim().toLowerCase();
  if (type === 'application/json') return parseJson(utf8(body));
  if (form && type === 'application/x-www-form-urlencoded') {
    const payload = new URLSearchParams(utf8(body)).get('payload');
    if (payload === null) throw new BadPayload('invalid_request', 'the form has no field payload');
    return parseJson(payload);
  }
  const expected = form ? 'application/json or application/x-www-form-urlencoded' : 'application/json';
  throw new BadPayload('unsupported_media_type', 'the webhook is of a type that is not understood', [
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
    throw new BadPayload('malformed_json', 'the body is not UTF-8');
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new BadPayload('malformed_json', 'the body is not JSON');
  }
}

/**
 * What `schema` picks from a payload; other fields are passed over, since forges add some.
 * @throws BadPayload
 */
export function pick<T extends z.ZodType>(schema: T, json: unknown): z.output<T> {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const errors = fieldProblems(parsed.error, json);
  throw new BadPayload('invalid_request', 'the payload is not what the forge documents', errors);
}
