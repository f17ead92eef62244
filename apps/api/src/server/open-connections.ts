import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Knows which connections have a request under way, from its headers to the end of its answer. Node closes connections between two requests
 * when a server stops, but waits for those that have never sent a whole request header: one silent stranger would hold the stop up.
 */
export class OpenConnections {
  readonly #requests = new Map<Socket, number>();

  /** Counts a connection until it closes. */
  add(socket: Socket): void {
    this.#requests.set(socket, 0);
    socket.once('close', () => this.#requests.delete(socket));
  }

  /** `app`, with its requests counted. */
  counting(app: RequestListener): RequestListener {
    return (request, response) => {
      const { socket } = request;
      this.#change(socket, 1);
      response.once('close', () => this.#change(socket, -1));
      return app(request, response);
    };
  }

  /** Closes those on which no request is under way. */
  closeUnused(): void {
    for (const [socket, requests] of this.#requests) if (requests === 0) socket.destroy();
  }

  #change(socket: Socket, by: number): void {
    const before = this.#requests.get(socket);
    if (before !== undefined) this.#requests.set(socket, before + by);
  }
}
