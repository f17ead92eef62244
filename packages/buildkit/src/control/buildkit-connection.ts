import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import type Docker from 'dockerode';
import { FrameDemuxer } from '../engine/demux-frames.ts';
import { callEngine } from '../engine/engine.ts';

/** How BuildKit runs: in a container of its own, or as a part of the engine. */
export type DriverName = 'docker-container' | 'docker';

/** Opens a connection to BuildKit's gRPC server (h2c). The caller destroys it. @throws EngineError */
export type ConnectBuildkit = () => Promise<Duplex>;

/** Connects through `buildctl` in the builder's `container`, or to the engine's own BuildKit if there is none. */
export function buildkitConnector(engine: Docker, container: string | undefined): ConnectBuildkit {
  return container === undefined ? () => throughEngine(engine) : () => throughContainer(engine, container);
}

/** Connects to the engine's own BuildKit: the engine upgrades `POST /grpc` to a connection to it. */
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

/** Joins the stdin and stdout of a process, from the engine's multiplexed stream, into one connection. */
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
