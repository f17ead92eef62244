import { z } from 'zod';

/** One error in a request: the field, what it contained and what was expected. */
export const fieldProblem = z
  .strictObject({
    field: z.string().meta({ description: 'Path of the field, such as `source.url` or `header Idempotency-Key`.' }),
    got: z
      .string()
      .meta({ description: 'What it contained, as abbreviated JSON; the value of a secret is never shown.' }),
    expected: z.string(),
  })
  .meta({ id: 'FieldProblem' });
export type FieldProblem = z.output<typeof fieldProblem>;

/** Stable codes of all problems that the API can answer with. */
export const PROBLEM_CODES = [
  'malformed_http',
  'headers_too_large',
  'request_timeout',
  'malformed_json',
  'malformed_multipart',
  'invalid_request',
  'unsupported_media_type',
  'body_too_large',
  'unauthorized',
  'forbidden',
  'not_found',
  'method_not_allowed',
  'build_not_found',
  'log_not_found',
  'artifact_not_found',
  'context_not_found',
  'context_invalid',
  'context_incomplete',
  'tree_part_not_found',
  'tree_incomplete',
  'idempotency_key_reused',
  'not_retriable',
  'already_finished',
  'host_not_found',
  'host_busy',
  'task_not_found',
  'too_many_tasks',
  'cache_not_found',
  'snapshot_not_found',
  'snapshot_invalid',
  'snapshot_refused',
  'join_impossible',
  'token_not_found',
  'secret_not_found',
  'secret_missing',
  'too_many_secrets',
  'schedule_not_found',
  'schedule_exists',
  'target_refused',
  'too_many_requests',
  'queue_full',
  'connection_not_found',
  'delivery_not_found',
  'webhook_not_found',
  'message_not_found',
  'disk_full',
  'store_full',
  'storage_full',
  'storage_quota_exceeded',
  'unavailable',
  'internal',
] as const;
export type ProblemCode = (typeof PROBLEM_CODES)[number];

/** RFC 9457 problem details, `application/problem+json`. */
export const problem = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.enum(PROBLEM_CODES),
    detail: z.string(),
    instance: z.string().optional(),
    errors: z.array(fieldProblem).default([]),
  })
  .meta({ id: 'Problem' });
export type Problem = z.output<typeof problem>;

const SHOWN_CHARS = 200;
/** Fields whose values, and everything in them, are never quoted. */
const HIDDEN: ReadonlySet<PropertyKey> = new Set([
  'secrets',
  'secret',
  'registryLogins',
  'webhookSecret',
  'apiToken',
  'gitToken',
  'privateKey',
]);

/**
 * Converts a zod error to field problems. Values of secrets are never quoted.
 * @param input the value that was parsed
 */
export function fieldProblems(error: z.core.$ZodError, input: unknown): FieldProblem[] {
  return error.issues.flatMap((issue) => issueProblems(issue, input));
}

function issueProblems(issue: z.core.$ZodIssue, input: unknown): FieldProblem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      field: fieldPath([...issue.path, key]),
      got: show([...issue.path, key], valueAt(input, [...issue.path, key])),
      expected: 'no such field',
    }));
  }
  const at = valueAt(input, issue.path);
  return [{ field: fieldPath(issue.path) || 'body', got: show(issue.path, at), expected: expectation(issue) }];
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.message.startsWith('Invalid input: ') ? issue.expected : issue.message;
    case 'invalid_value':
      return oneOf(issue.values);
    case 'too_big':
      return `at most ${issue.maximum}${unit(issue.origin, issue.maximum)}`;
    case 'too_small':
      return `at least ${issue.minimum}${unit(issue.origin, issue.minimum)}`;
    case 'invalid_union':
      return issue.errors.length === 0 && 'discriminator' in issue
        ? ('options' in issue && oneOf(issue.options)) || `a known ${String(issue.discriminator)}`
        : unique(issue.errors.flat().map(expectation)).join(', or ') || issue.message;
    case 'invalid_format':
      return plain(issue.message);
    case 'invalid_key':
      return unique(issue.issues.map(expectation)).join(', ');
    default:
      return plain(issue.message);
  }
}

/** @param values as zod reports them */
function oneOf(values: unknown): string {
  return Array.isArray(values) ? values.map((value) => JSON.stringify(value)).join(' or ') : '';
}

function unit(origin: string, count: number | bigint): string {
  const plural = Number(count) === 1 ? '' : 's';
  if (origin === 'string') return ` character${plural}`;
  if (origin === 'array') return ` item${plural}`;
  return '';
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}

function plain(message: string): string {
  return message.replace(/^Invalid input: expected /, '');
}

/** Formats a path: `tags[1]` for `['tags', 1]`. Names that aren't identifiers are quoted. */
export function fieldPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    const key = String(part);
    if (!/^[A-Za-z_$][\w$-]*$/.test(key)) return `${text}[${JSON.stringify(key)}]`;
    return text ? `${text}.${key}` : key;
  }, '');
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    input,
  );
}

function show(path: readonly PropertyKey[], value: unknown): string {
  if (value === undefined) return 'nothing';
  if (path.some((part) => HIDDEN.has(part))) return 'a value that is not shown';
  const text = JSON.stringify(shallow(value, 0)) ?? String(value);
  return text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}… (${text.length} characters)` : text;
}

const SHOWN_DEPTH = 4;
const SHOWN_ITEMS = 50;

/** Returns a copy that is small enough to be printed, however large or deep the value is. */
function shallow(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= SHOWN_DEPTH) return Array.isArray(value) ? '[…]' : '{…}';
  if (Array.isArray(value)) return value.slice(0, SHOWN_ITEMS).map((item) => shallow(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, SHOWN_ITEMS)
      .map(([key, held]) => [key, HIDDEN.has(key) ? 'not shown' : shallow(held, depth + 1)]),
  );
}
