import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { Busboy, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy';
import { ApiProblem } from './api-problem.ts';
import { BodyPace } from './body-pace.ts';

/** The request ended, or became too slow, before its last boundary. */
export class CutOff extends Error {
  readonly code = 'cut_off';
}

/**
 * Hands each part of a multipart body to `onPart`, one at a time: the next part isn't read until `onPart` has finished with this one.
 * When `onPart` throws, the rest of the body stays unread.
 * @throws CutOff; ApiProblem `malformed_multipart`; what `onPart` throws
 */
export async function eachPart(
  request: IncomingMessage,
  idleMs: number,
  onPart: (name: string, content: Readable) => Promise<void>,
): Promise<void> {
  const parser = openParser(request);
  const open = new Set<Readable>();
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  const { promise: parsed, resolve: finish } = Promise.withResolvers<void>();
  failed.catch(() => {});
  let chain: Promise<void> = Promise.resolve();

  parser.on('file', (name, content) => {
    open.add(content);
    // The parser reports the same error; unhandled on a part that isn't being read yet, it would crash the process.
    content.on('error', () => {});
    chain = chain.then(() => onPart(name, content)).finally(() => open.delete(content));
    chain.catch(fail);
  });
  parser.on('partsLimit', () => fail(malformed('too many parts')));
  parser.on('finish', finish);
  // A parser error at the very end of the body means that the last boundary is missing.
  parser.on('error', () =>
    fail(request.readableEnded ? new CutOff('the multipart body is cut off') : malformed('invalid multipart syntax')),
  );
  using pace = new BodyPace({ leastBytes: LEAST_BYTES, withinMs: idleMs }, () =>
    fail(new CutOff(`less than ${LEAST_BYTES} bytes arrived within ${idleMs} ms`)),
  );
  request.on('data', (chunk: Buffer) => pace.add(chunk.length));
  request.on('error', () => fail(new CutOff('the connection was lost')));
  request.on('close', () => {
    if (!request.complete) fail(new CutOff('the connection was lost'));
  });
  request.pipe(parser);
  try {
    await Promise.race([failed, parsed.then(() => chain)]);
  } catch (error) {
    request.unpipe(parser);
    for (const content of open) content.destroy(error as Error);
    // Wait until the parts have closed what they opened.
    await chain.catch(() => {});
    throw error;
  }
}

const MAX_PARTS = 8;
/** Fewest bytes within the idle time-out. */
const LEAST_BYTES = 16 * 1024;

function openParser(request: IncomingMessage): BusboyInstance {
  try {
    return new Busboy({
      headers: request.headers as BusboyHeaders,
      limits: { parts: MAX_PARTS, headerPairs: 32, fieldNameSize: 100 },
      isPartAFile: () => true,
    });
  } catch {
    throw malformed('a Content-Type without a boundary');
  }
}

function malformed(got: string): ApiProblem {
  return new ApiProblem('malformed_multipart', `the multipart body cannot be read: ${got}`, {
    errors: [{ field: 'body', got, expected: 'multipart/form-data with the parts request and context' }],
  });
}
