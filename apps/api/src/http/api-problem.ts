import type { BlobStoreUnavailable } from '@kiln/blobs';
import {
  type FieldProblem,
  fieldPath,
  fieldProblems,
  PROBLEM_KINDS,
  type Problem,
  type ProblemCode,
} from '@kiln/contracts';
import { isOutOfMemory, isPassing, type StorageFull, type StorageQuotaExceeded } from '@kiln/state';
import { z } from 'zod';

/** An error that is answered as problem details. `detail` and `errors` are shown to the client: they must not contain a secret's value. */
export class ApiProblem extends Error {
  readonly code: ProblemCode;
  readonly errors: readonly FieldProblem[];
  /** Headers that belong to the answer, such as `Allow`. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ProblemCode,
    detail: string,
    {
      errors = [],
      headers = {},
    }: { errors?: readonly FieldProblem[]; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(detail);
    this.code = code;
    this.errors = errors;
    this.headers = headers;
  }

  get status(): number {
    return PROBLEM_KINDS[this.code].status;
  }

  /** The body of the answer, by RFC 9457; `requestId` identifies the occurrence. */
  toProblem(requestId: string): Problem {
    const { status, title } = PROBLEM_KINDS[this.code];
    return {
      type: `urn:kiln:problem:${this.code}`,
      title,
      status,
      code: this.code,
      detail: this.message,
      instance: `urn:kiln:request:${requestId}`,
      errors: [...this.errors],
    };
  }
}

/** Maps a thrown error to the problem that the client gets. Unknown errors become `internal` without details, which are only in the log. */
export function problemOf(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error;
  if (isOutOfMemory(error)) return storeFull();
  if (error instanceof Error && error.message.startsWith('NOREPLICAS')) return notReplicated();
  if (isRedisAway(error)) {
    return new ApiProblem('unavailable', 'Kiln’s Redis does not accept writes at the moment', {
      headers: { 'Retry-After': '2' },
    });
  }
  if (error instanceof URIError) return new ApiProblem('not_found', 'the path is not valid percent-encoding');
  switch (codeOf(error)) {
    case 'idempotency_key_reused':
      return new ApiProblem('idempotency_key_reused', 'this Idempotency-Key was already used for another request', {
        errors: [
          { field: 'header Idempotency-Key', got: 'a key that is in use', expected: 'a new key for a new request' },
        ],
      });
    case 'store_full':
      return storeFull();
    case 'build_document_lost':
      return new ApiProblem('unavailable', (error as Error).message);
    case 'blob_store_unavailable':
      return blobsAway(error as BlobStoreUnavailable);
    case 'not_replicated':
      return notReplicated();
    case 'trees_locked':
      return new ApiProblem('unavailable', (error as Error).message, { headers: { 'Retry-After': '2' } });
    case 'ENOSPC':
    case 'EDQUOT':
      return new ApiProblem('disk_full', 'the disk for contexts and artifacts is full; nothing was accepted');
    case 'storage_full':
      return storageFull(error as StorageFull);
    case 'storage_quota_exceeded':
      return quotaExceeded(error as StorageQuotaExceeded);
    default:
      return new ApiProblem('internal', 'internal error in Kiln; see its log for details');
  }
}

/** When a client may retry after `store_full`, s: memory is not freed sooner. */
const STORE_FULL_RETRY_S = 10;

function storeFull(): ApiProblem {
  return new ApiProblem(
    'store_full',
    `Kiln’s Redis is nearly full: new builds are refused, running builds continue; try again in ${STORE_FULL_RETRY_S} s`,
    { headers: { 'Retry-After': String(STORE_FULL_RETRY_S) } },
  );
}

/** Its message has names of objects and hosts, which are only for the log. */
function blobsAway({ retryAfterS }: BlobStoreUnavailable): ApiProblem {
  return new ApiProblem(
    'unavailable',
    `Kiln’s blob store is not available at the moment; try again in ${retryAfterS} s`,
    {
      headers: { 'Retry-After': String(retryAfterS) },
    },
  );
}

function storageFull({ message, freeBytes, reserveBytes }: StorageFull): ApiProblem {
  return new ApiProblem('storage_full', message, {
    errors: [{ field: 'blob store', got: `${freeBytes} bytes free`, expected: `at least ${reserveBytes} bytes free` }],
  });
}

function quotaExceeded({ message, quotaBytes, usedBytes }: StorageQuotaExceeded): ApiProblem {
  return new ApiProblem('storage_quota_exceeded', message, {
    errors: [
      {
        field: 'limit storedBytes of the team',
        got: `more on top of the ${usedBytes} bytes already stored`,
        expected: `at most ${quotaBytes} bytes`,
      },
    ],
  });
}

/** When a client may retry after a write that too few replicas confirmed, s. */
const NOT_REPLICATED_RETRY_S = 5;

function notReplicated(): ApiProblem {
  return new ApiProblem(
    'unavailable',
    `too few replicas of Kiln’s Redis confirmed the write, so a failover could lose it and the request does not count; retry in ${NOT_REPLICATED_RETRY_S} s, with the same Idempotency-Key if any`,
    { headers: { 'Retry-After': String(NOT_REPLICATED_RETRY_S) } },
  );
}

export function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

/** Parses `input` by `schema`. `where` is put before the names of fields. @throws ApiProblem `invalid_request` */
export function parsed<S extends z.ZodType>(schema: S, input: unknown, where = ''): z.output<S> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const errors = fieldProblems(result.error, input).map((problem) => ({ ...problem, field: where + problem.field }));
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  const [first] = errors;
  throw new ApiProblem('invalid_request', `${first?.field}: expected ${first?.expected}${more}`, { errors });
}

/** Parses a parameter of the path. @throws ApiProblem `invalid_request` */
export function parameter<S extends z.ZodType>(schema: S, name: string, value: unknown): z.output<S> {
  return parsed(z.object({ [name]: schema }), { [name]: value })[name] as z.output<S>;
}

/** A problem with one field, named by its path in the body or by its name elsewhere. */
export function fieldProblem(
  code: ProblemCode,
  path: string | readonly PropertyKey[],
  got: string,
  expected: string,
): ApiProblem {
  const field = typeof path === 'string' ? path : fieldPath(path);
  return new ApiProblem(code, `${field}: expected ${expected}`, { errors: [{ field, got, expected }] });
}

/** Whether it is a reply about the state of the Redis server, not about the command: the same request succeeds a little later. */
function isRedisAway(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError' && isPassing(error);
}
