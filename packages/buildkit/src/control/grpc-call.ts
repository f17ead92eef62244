import { type ClientHttp2Session, constants } from 'node:http2';

/** A gRPC frame: one byte for compression, a big-endian length of four bytes, the message. */
const FRAME_HEADER_BYTES = 5;

/** BuildKit didn't answer, or answered with an error. */
export class BuildkitError extends Error {
  /** gRPC status code, if there was an answer. */
  readonly status: number | undefined;

  constructor(method: string, reason: string, status?: number) {
    super(`BuildKit: ${method}: ${reason}`);
    this.name = 'BuildkitError';
    this.status = status;
  }
}

/**
 * Makes a gRPC call with a single request, and yields the messages of the response. Reads on demand.
 * @param path `/<service>/<method>`
 * @param silenceMs time-out for each message
 * @throws BuildkitError
 */
export async function* grpcStream(
  session: ClientHttp2Session,
  path: string,
  request: Uint8Array,
  silenceMs: number,
): AsyncGenerator<Buffer> {
  const method = path.slice(path.lastIndexOf('/') + 1);
  let status = Number.NaN;
  let message = '';
  const take = (headers: NodeJS.Dict<string | string[]>) => {
    if (headers['grpc-status'] !== undefined) status = Number(headers['grpc-status']);
    if (headers['grpc-message'] !== undefined) message = String(headers['grpc-message']);
  };
  const stream = session.request({
    [constants.HTTP2_HEADER_METHOD]: 'POST',
    [constants.HTTP2_HEADER_PATH]: path,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.on('response', take);
  stream.on('trailers', take);
  const silent = new BuildkitError(method, `no answer within ${silenceMs} ms`);
  const timer = setTimeout(() => stream.destroy(silent), silenceMs);
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32BE(request.length, 1);
  stream.end(Buffer.concat([header, request]));
  try {
    let held: Buffer = Buffer.alloc(0);
    for await (const part of stream) {
      timer.refresh();
      held = held.length === 0 ? (part as Buffer) : Buffer.concat([held, part as Buffer]);
      for (let end = frameEnd(held); end !== undefined; end = frameEnd(held)) {
        yield held.subarray(FRAME_HEADER_BYTES, end);
        held = held.subarray(end);
        timer.refresh();
      }
    }
    if (status !== 0) throw new BuildkitError(method, message || `gRPC status ${status}`, status);
  } catch (error) {
    throw error instanceof BuildkitError ? error : new BuildkitError(method, String(error));
  } finally {
    clearTimeout(timer);
    stream.destroy();
  }
}

/** Returns the end of the first frame; undefined if it is incomplete. */
function frameEnd(held: Buffer): number | undefined {
  if (held.length < FRAME_HEADER_BYTES) return undefined;
  const end = FRAME_HEADER_BYTES + held.readUInt32BE(1);
  return held.length < end ? undefined : end;
}
