import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** A trickle is slow enough for a test to act during it, and fast enough not to count as idle. */
const TRICKLE_BYTES = 16 * 1024;
const TRICKLE_EVERY_MS = 25;

/** A connection between a client and a server that becomes slow: after `fastBytes` from the client, until it is told to hurry. */
export class Relay implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #fastBytes: number;
  /** Bytes that clients have sent so far. */
  sentBytes = 0;

  private constructor(server: Server, fastBytes: number) {
    this.#server = server;
    this.#fastBytes = fastBytes;
  }

  static async start(target: string, fastBytes: number): Promise<Relay> {
    const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const relay = new Relay(server, fastBytes);
    const { hostname, port } = new URL(target);
    server.on('connection', (client) => {
      const api = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
      for (const [socket, other] of [
        [client, api],
        [api, client],
      ] as const) {
        relay.#sockets.add(socket);
        socket.on('error', () => {});
        socket.once('close', () => {
          relay.#sockets.delete(socket);
          other.destroy();
        });
      }
      api.pipe(client);
      relay.#pass(client, api).catch(() => api.destroy());
    });
    return relay;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  hurry(): void {
    this.#fastBytes = Number.POSITIVE_INFINITY;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #pass(client: Socket, api: Socket): Promise<void> {
    for await (const chunk of client as AsyncIterable<Buffer>) {
      for (let rest = chunk; rest.length > 0; ) {
        const isSlow = this.sentBytes >= this.#fastBytes;
        const some = isSlow ? rest.subarray(0, TRICKLE_BYTES) : rest;
        if (isSlow) await delay(TRICKLE_EVERY_MS);
        rest = rest.subarray(some.length);
        this.sentBytes += some.length;
        if (!api.write(some)) await once(api, 'drain');
      }
    }
    api.end();
  }
}
