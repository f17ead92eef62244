import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import type Docker from 'dockerode';
import { containerOf } from './builder-names.ts';
import type { DriverName } from './builder-options.ts';
import { FrameDemuxer } from './demux-frames.ts';
import { callEngine } from './engine.ts';

/** Opens a connection that speaks BuildKit's gRPC (h2c). Whoever asks for one destroys it. */
export type ConnectBuildkit = () => Promise<Duplex>;

/** How this builder's BuildKit is reached: through the engine, or through `buildctl` in the builder's container. */
export function buildkitConnector(engine: Docker, driver: DriverName, builder: string): ConnectBuildkit {
  return driver === 'docker' ? () => throughEngine(engine) : () => throughContainer(engine, containerOf(builder));
}

/** The engine turns `POST /grpc` into a connection to its BuildKit. */
async function throughEngine(engine: Docker): Promise<Duplex> {
  return await callEngine('connect to BuildKit', (abortSignal) => {
    const dial = engine.modem.dial.bind(engine.modem) as unknown as Dial;
    return new Promise<Duplex>((resolve, reject) => {
      dial(
        {
          path: '/grpc',
          method: 'POST',
          hijack: true,
          isStream: true,
          headers: { Upgrade: 'h2c' },
          statusCodes: { 101: true },
          abortSignal,
        },
        (error, socket) => (error ? reject(error) : resolve(socket as Duplex)),
      );
    });
  });
}

type Dial = (
  options: Readonly<Record<string, unknown>>,
  done: (error: Error | null, socket: Duplex | IncomingMessage) => void,
) => void;

async function throughContainer(engine: Docker, container: string): Promise<Duplex> {
  const exec = await callEngine('create an exec', (abortSignal) =>
    engine.getContainer(container).exec({
      Cmd: ['buildctl', 'dial-stdio'],
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      Tty: false,
      abortSignal,
    }),
  );
  const socket = await callEngine('start an exec', (abortSignal) =>
    exec.start({ hijack: true, stdin: true, Tty: false, Detach: false, abortSignal }),
  );
  return stdio(socket);
}

/** stdin and stdout of a process as one connection, out of the engine's multiplexed one. */
function stdio(socket: Duplex): Duplex {
  const demuxer = new FrameDemuxer();
  const joined = new Duplex({
    read: () => socket.resume(),
    write(chunk, _encoding, done) {
      if (socket.write(chunk)) done();
      else once(socket, 'drain').then(() => done(), done);
    },
    final(done) {
      socket.end(done);
    },
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  socket.on('data', (chunk: Buffer) => {
    for (const { stream, data } of demuxer.push(chunk)) {
      if (stream === 'stdout' && !joined.push(data)) socket.pause();
    }
  });
  socket.once('end', () => joined.push(null)).once('error', (error) => joined.destroy(error));
  return joined;
}
