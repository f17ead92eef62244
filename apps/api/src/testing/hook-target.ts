import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedMessage {
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly path: string;
}

/** The target of an outgoing webhook: receives messages, and answers with the given statuses, then with 204. */
export class HookTarget implements AsyncDisposable {
  readonly received: ReceivedMessage[] = [];
  readonly #answers: ((response: ServerResponse) => void)[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer(async (request, response) => {
      const text = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>)).toString();
      this.received.push({ headers: request.headers, text, path: request.url ?? '' });
      const answer = this.#answers.shift() ?? ((one: ServerResponse) => one.writeHead(204).end());
      answer(response);
    });
  }

  static async start(): Promise<HookTarget> {
    const target = new HookTarget();
    await new Promise<void>((resolve) => target.#server.listen(0, '127.0.0.1', resolve));
    return target;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  next(...answers: readonly ((response: ServerResponse) => void)[]): void {
    this.#answers.push(...answers);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
