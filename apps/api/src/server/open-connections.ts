import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Tracks which connections have a request under way, from its headers to the end of its answer. When a server stops, Node closes
 * connections between two requests, but waits for those that never sent complete headers: one silent client would delay the stop.
 */
export class OpenConnections {
  readonly #requests = new Map<Socket, number>();

  /** Counts a connection until it closes. */
  add(socket: Socket): void {
    this.#requests.set(socket, 0);
    socket.once('close', () => this.#requests.delete(socket));
  }

  /** Wraps `app` so that its requests are counted. */
  counting(app: RequestListener): RequestListener {
    return (request, response) => {
      const { socket } = request;
      this.#change(socket, 1);
      response.once('close', () => this.#change(socket, -1));
      return app(request, response);
    };
  }

  /** Closes the connections without a request under way. */
  closeUnused(): void {
    for (const [socket, requests] of this.#requests) if (requests === 0) socket.destroy();
  }

  #change(socket: Socket, by: number): void {
    const before = this.#requests.get(socket);
    if (before !== undefined) this.#requests.set(socket, before + by);
  }
}
