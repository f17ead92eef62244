import { type ClientHttp2Session, type ClientHttp2Stream, constants } from 'node:http2';

/** gRPC's frame: a byte that says whether it is compressed, a big-endian length of four, the message. */
const FRAME_HEADER_BYTES = 5;

/** BuildKit didn't answer, or answered with an error. */
export class BuildkitError extends Error {
  /** gRPC's status code, where there was an answer. */
  readonly status: number | undefined;

  constructor(method: string, reason: string, status?: number) {
    super(`BuildKit: ${method}: ${reason}`);
    this.name = 'BuildkitError';
    this.status = status;
  }
}

/**
 * One call with a single request; the messages that the answer holds.
 * @param path `/<service>/<method>`
 * @param timeoutMs for all of it
 * @throws BuildkitError
 */
export async function grpcCall(
  session: ClientHttp2Session,
  path: string,
  request: Uint8Array,
  timeoutMs: number,
): Promise<Buffer[]> {
  const method = path.slice(path.lastIndexOf('/') + 1);
  const stream = session.request({
    [constants.HTTP2_HEADER_METHOD]: 'POST',
    [constants.HTTP2_HEADER_PATH]: path,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  const late = new BuildkitError(method, `no answer within ${timeoutMs} ms`);
  const timer = setTimeout(() => stream.destroy(late), timeoutMs);
  try {
    const { status, message, body } = await answerOf(stream, request);
    if (status !== 0) throw new BuildkitError(method, message || `gRPC status ${status}`, status);
    return messages(body);
  } catch (error) {
    throw error instanceof BuildkitError ? error : new BuildkitError(method, String(error));
  } finally {
    clearTimeout(timer);
  }
}

async function answerOf(
  stream: ClientHttp2Stream,
  request: Uint8Array,
): Promise<{ status: number; message: string; body: Buffer }> {
  let status = Number.NaN;
  let message = '';
  const take = (headers: NodeJS.Dict<string | string[]>) => {
    if (headers['grpc-status'] !== undefined) status = Number(headers['grpc-status']);
    if (headers['grpc-message'] !== undefined) message = String(headers['grpc-message']);
  };
  stream.on('response', take);
  stream.on('trailers', take);
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32BE(request.length, 1);
  stream.end(Buffer.concat([header, request]));
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return { status, message, body: Buffer.concat(parts) };
}

function messages(body: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at + FRAME_HEADER_BYTES <= body.length; ) {
    const end = at + FRAME_HEADER_BYTES + body.readUInt32BE(at + 1);
    found.push(body.subarray(at + FRAME_HEADER_BYTES, end));
    at = end;
  }
  return found;
}
