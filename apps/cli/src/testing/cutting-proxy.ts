import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request that went through the proxy. */
export interface Passed {
  readonly method: string;
  readonly path: string;
  /** Of its body. */
  bytes: number;
}

/** Stands between a client and an API: counts requests, and cuts uploads off. */
export class CuttingProxy implements AsyncDisposable {
  readonly passed: Passed[] = [];
  /** After how many bytes of the body to cut off the next requests to a path, one after the other. */
  readonly cuts = new Map<string, number[]>();
  readonly #target: string;
  readonly #server: Server;

  private constructor(target: string, server: Server) {
    this.#target = target;
    this.#server = server;
  }

  static async before(target: string): Promise<CuttingProxy> {
    const server = createServer();
    const proxy = new CuttingProxy(target, server);
    server.on('request', (request, response) => proxy.#pass(request, response));
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pass(request: IncomingMessage, response: ServerResponse): void {
    const { pathname: path } = new URL(request.url ?? '/', this.#target);
    const passed: Passed = { method: request.method ?? '', path, bytes: 0 };
    this.passed.push(passed);
    const cut = this.cuts.get(path)?.shift() ?? Number.POSITIVE_INFINITY;
    const { method, headers } = request;
    const onward = httpRequest(`${this.#target}${request.url}`, { ...(method && { method }), headers });
    const end = () => {
      onward.destroy();
      request.destroy();
    };
    onward.on('error', end);
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    request.on('error', end);
    request.on('data', (chunk: Buffer) => {
      const left = cut - passed.bytes;
      passed.bytes += Math.min(chunk.length, left);
      const isTaken = onward.write(chunk.subarray(0, left));
      // What was written has to arrive before the end does.
      if (chunk.length >= left) onward.write('', () => setImmediate(end));
      else if (!isTaken) {
        request.pause();
        onward.once('drain', () => request.resume());
      }
    });
    request.on('end', () => onward.end());
  }
}
