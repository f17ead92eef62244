import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { type ParseError, parse as parseTolerantly, printParseErrorCode } from 'jsonc-parser';
import { bodyTimeOf } from './body-gate.ts';
import { Complaint, fieldComplaint } from './complaint.ts';

/**
 * The body of a request, as JSON. `what` names it in complaints.
 * @throws Complaint `body_too_large`, `malformed_json`, `request_timeout`, `unsupported_media_type`
 */
export async function readJson(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw fieldComplaint('unsupported_media_type', 'header Content-Encoding', encoding, 'none');
  }
  return parseJson(await readAll(request, maxBytes), 'body');
}

/**
 * A stream's bytes, at most `maxBytes` of them; of a request's body in the time that it has. What is left of it is left unread.
 * @throws Complaint `body_too_large`, `request_timeout`
 */
export async function readAll(stream: Readable, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  // Not by `for await`: left early, that destroys the stream, and with it the connection on which the client is to be told.
  const reading: AsyncIterator<Buffer> = stream[Symbol.asyncIterator]();
  using late = deadline(bodyTimeOf(stream));
  for (;;) {
    const { done, value } = await Promise.race([reading.next(), late.passed]);
    if (done) return Buffer.concat(chunks);
    length += value.length;
    if (length > maxBytes) {
      throw fieldComplaint('body_too_large', 'body', `more than ${maxBytes} bytes`, `at most ${maxBytes} bytes`);
    }
    chunks.push(value);
  }
}

function deadline(ms: number | undefined): Disposable & { readonly passed: Promise<never> } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  const late = () =>
    reject(fieldComplaint('request_timeout', 'body', `not whole after ${ms} ms`, 'a body without pauses'));
  const timer = ms === undefined ? undefined : setTimeout(late, ms);
  return { passed: promise, [Symbol.dispose]: () => clearTimeout(timer) };
}

/** @throws Complaint `malformed_json`, with line and column; what stands there isn't quoted: it may be a secret. */
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

function malformed(field: string, got: string): Complaint {
  return new Complaint('malformed_json', `${field}: ${got}`, { errors: [{ field, got, expected: 'valid JSON' }] });
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
