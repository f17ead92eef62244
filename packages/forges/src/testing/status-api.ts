import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

type Answer = (response: ServerResponse) => void;

/** A mock of a forge's API: records requests, and answers what the test tells it to. */
export class StatusApi implements AsyncDisposable {
  readonly seen: SeenRequest[] = [];
  readonly #server: Server;
  readonly #answers: Answer[] = [];

  private constructor() {
    this.#server = createServer(async (request, response) => {
      const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>)).toString();
      const { method = '', url = '', headers } = request;
      this.seen.push({ method, path: url, headers, body: JSON.parse(body) });
      (this.#answers.shift() ?? ok)(response);
    });
  }

  static async start(): Promise<StatusApi> {
    const api = new StatusApi();
    await new Promise<void>((resolve) => api.#server.listen(0, '127.0.0.1', resolve));
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Sets the answers to the next requests, in order. All others get 201. */
  next(...answers: readonly Answer[]): this {
    this.#answers.push(...answers);
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

const ok = (response: ServerResponse) => response.writeHead(201).end('{"id":7}');

export const says =
  (status: number, headers: Record<string, string> = {}, body = '{}'): Answer =>
  (response) =>
    response.writeHead(status, headers).end(body);

/** Never answers. */
export const hangs: Answer = () => {};

/** Cuts the connection in the middle of the response. */
export const breaks: Answer = (response) => {
  response.writeHead(201, { 'content-length': '100' });
  response.write('{');
  response.socket?.destroy();
};

/** Sends an endless response. */
export const floods: Answer = (response) => {
  response.writeHead(500);
  const pour = () => {
    while (!response.destroyed && response.write('x'.repeat(16_384)));
  };
  response.on('drain', pour);
  pour();
};
