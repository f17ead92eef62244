import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Tracks which connections have a request under way, from its headers to the end of its answer. When a server stops, Node closes
 * connections between two requests, but waits for those that never sent complete headers, and for those whose request ends only then, until
 * they were idle for long: one silent client would delay the stop.
 */
export class OpenConnections {
  readonly #requests = new Map<Socket, number>();
  #closing = false;

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

  /** Closes the connections without a request under way; the others when their requests have ended. */
  closeUnused(): void {
    this.#closing = true;
    for (const [socket, requests] of this.#requests) if (requests === 0) socket.destroy();
  }

  #change(socket: Socket, by: number): void {
    const before = this.#requests.get(socket);
    if (before === undefined) return;
    this.#requests.set(socket, before + by);
    // Once the rest of the answer has been sent.
    if (this.#closing && before + by === 0) socket.destroySoon();
  }
}
