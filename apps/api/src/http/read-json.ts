import type { IncomingMessage } from 'node:http';
import { type ParseError, parse as parseTolerantly, printParseErrorCode } from 'jsonc-parser';
import { Complaint, fieldComplaint } from './complaint.ts';

/**
 * The body of a request, as JSON. `what` names it in complaints.
 * @throws Complaint `body_too_large`, `malformed_json`, `unsupported_media_type`
 */
export async function readJson(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw fieldComplaint('unsupported_media_type', 'header Content-Encoding', encoding, 'none');
  }
  return parseJson(await readAll(request, maxBytes), 'body');
}

/** A stream's bytes, at most `maxBytes` of them. @throws Complaint `body_too_large` */
export async function readAll(stream: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > maxBytes) {
      throw fieldComplaint('body_too_large', 'body', `more than ${maxBytes} bytes`, `at most ${maxBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
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
