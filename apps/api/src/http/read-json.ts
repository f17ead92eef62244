import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { type ParseError, parse as parseTolerantly, printParseErrorCode } from 'jsonc-parser';
import { ApiProblem, fieldProblem } from './api-problem.ts';
import { type BodyTime, bodyTimeOf } from './body-gate.ts';
import { BodyPace } from './body-pace.ts';

/** Accounts for a body that is being read into memory. Disposing of it gives the memory back. */
export interface HeldBody extends Disposable {
  /** Counts bytes that arrived. @throws ApiProblem `unavailable`, `too_many_requests` */
  add(bytes: number): void;
  /** Rejects when the body must make room for others. */
  readonly dropped: Promise<never>;
}

/**
 * Reads the body of a request as JSON.
 * @throws ApiProblem `body_too_large`, `malformed_json`, `request_timeout`, `unsupported_media_type`
 */
export async function readJson(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw fieldProblem('unsupported_media_type', 'header Content-Encoding', encoding, 'none');
  }
  return parseJson(await readAll(request, maxBytes), 'body');
}

/**
 * Reads a stream into memory: at most `maxBytes`, and a request's body within its time limit. On an error the rest stays unread.
 * `held` accounts for the memory.
 * @throws ApiProblem `body_too_large`, `request_timeout`; what `held` throws
 */
export async function readAll(stream: Readable, maxBytes: number, held?: HeldBody): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  // Not `for await`: leaving it early destroys the stream, and with it the connection that the answer needs.
  const reading: AsyncIterator<Buffer> = stream[Symbol.asyncIterator]();
  using late = deadline(bodyTimeOf(stream));
  const ends = held ? [late.passed, held.dropped] : [late.passed];
  for (;;) {
    const { done, value } = await Promise.race([reading.next(), ...ends]);
    if (done) return Buffer.concat(chunks);
    length += value.length;
    late.came(value.length);
    held?.add(value.length);
    if (length > maxBytes) {
      throw fieldProblem('body_too_large', 'body', `more than ${maxBytes} bytes`, `at most ${maxBytes} bytes`);
    }
    chunks.push(value);
  }
}

interface Deadline extends Disposable {
  readonly passed: Promise<never>;
  came(bytes: number): void;
}

function deadline(time: BodyTime | undefined): Deadline {
  const { promise: passed, reject } = Promise.withResolvers<never>();
  passed.catch(() => {});
  if (!time) return { passed, came() {}, [Symbol.dispose]() {} };
  const { ms, leastBytes, withinMs } = time;
  const late = (got: string) => reject(fieldProblem('request_timeout', 'body', got, 'a steadily arriving body'));
  const timer = setTimeout(() => late(`incomplete after ${ms} ms`), ms);
  const pace = new BodyPace(time, () => late(`less than ${leastBytes} bytes within ${withinMs} ms`));
  return {
    passed,
    came: (bytes) => pace.add(bytes),
    [Symbol.dispose]() {
      clearTimeout(timer);
      pace[Symbol.dispose]();
    },
  };
}

/** Parses JSON. @throws ApiProblem `malformed_json` with line and column; the text there isn't quoted, as it may be a secret */
export function parseJson(bytes: Buffer | string, field: string): unknown {
  let text: string;
  try {
    text = typeof bytes === 'string' ? bytes : new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw malformed(field, 'bytes that are not UTF-8');
  }
  try {
    return JSON.parse(text);
  } catch {
    throw malformed(field, text.trim() === '' ? 'nothing' : firstFault(text));
  }
}

function malformed(field: string, got: string): ApiProblem {
  return new ApiProblem('malformed_json', `${field}: ${got}`, { errors: [{ field, got, expected: 'valid JSON' }] });
}

function firstFault(text: string): string {
  const faults: ParseError[] = [];
  parseTolerantly(text, faults, { disallowComments: true, allowTrailingComma: false });
  const [fault] = faults;
  if (!fault) return 'not valid JSON';
  const before = text.slice(0, fault.offset).split('\n');
  const what = printParseErrorCode(fault.error)
    .replace(/([a-z])([A-Z])/g, (_, a, b) => `${a} ${b.toLowerCase()}`)
    .toLowerCase();
  return `not valid JSON at line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}: ${what}`;
}
