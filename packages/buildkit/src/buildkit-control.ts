import { type ClientHttp2Session, connect, constants } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { ConnectBuildkit } from './buildkit-connection.ts';

const CONTROL = '/moby.buildkit.v1.Control';
const CALL_TIMEOUT_MS = 10_000;
/** gRPC's frame: a byte that says whether it is compressed, a big-endian length of four, the message. */
const FRAME_HEADER_BYTES = 5;

/** The few calls of BuildKit's `Control` service (moby/buildkit api/services/control/control.proto) that Kiln makes by itself. */
export class BuildkitControl implements AsyncDisposable {
  readonly #session: ClientHttp2Session;
  readonly #socket: Duplex;

  private constructor(socket: Duplex) {
    this.#socket = socket;
    this.#session = connect('http://buildkit', { createConnection: () => socket });
    // Each call fails by itself; without a listener the error would end the process.
    this.#session.on('error', () => undefined);
  }

  static async open(connection: ConnectBuildkit): Promise<BuildkitControl> {
    return new BuildkitControl(await connection());
  }

  /** Whether BuildKit still works on the build with the given ref. */
  async isActive(ref: string): Promise<boolean> {
    // ListenBuildHistory; a BuildHistoryRequest of ActiveOnly (1), Ref (2), EarlyExit (3). One event for each build that fits.
    const request = Buffer.concat([varintField(1, 1), textField(2, ref), varintField(3, 1)]);
    return (await this.#call('ListenBuildHistory', request)) > 0;
  }

  /** Number of messages that the answer holds. */
  async #call(method: string, request: Buffer): Promise<number> {
    const stream = this.#session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: `${CONTROL}/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.setTimeout(CALL_TIMEOUT_MS, () => stream.destroy(new Error(`BuildKit: ${method}: no answer`)));
    let status: unknown;
    stream.on('response', (headers) => {
      status = headers['grpc-status'] ?? status;
    });
    stream.on('trailers', (trailers) => {
      status = trailers['grpc-status'] ?? status;
    });
    stream.end(frame(request));
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part as Buffer);
    if (String(status) !== '0') throw new Error(`BuildKit: ${method}: gRPC status ${String(status)}`);
    return countFrames(Buffer.concat(parts));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#session.destroy();
    this.#socket.destroy();
  }
}

function frame(message: Buffer): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

function countFrames(bytes: Buffer): number {
  let count = 0;
  for (let at = 0; at + FRAME_HEADER_BYTES <= bytes.length; at += FRAME_HEADER_BYTES + bytes.readUInt32BE(at + 1))
    count++;
  return count;
}

/** Protocol Buffers, "Encoding": wire type 0. Values below 128 only. */
function varintField(field: number, value: number): Buffer {
  return Buffer.from([field << 3, value]);
}

/** Wire type 2. Texts below 128 bytes only: refs have 25. */
function textField(field: number, text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([(field << 3) | 2, bytes.length]), bytes]);
}
