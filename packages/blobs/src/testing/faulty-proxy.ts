import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/**
 * What a faulty store does with a request.
 * - `pass`: nothing wrong.
 * - a number or `{ status, code }`: answers with that status instead, with S3's error document for a `code`.
 * - `page`: answers 200 with a page of HTML.
 * - `silence`: never answers.
 * - `hang up`: closes the connection without an answer; the store doesn't see the request.
 * - `hang up after`: the same, but the store has carried out the request.
 * - `cut`: sends half of the body, then closes the connection.
 * - `stall`: sends half of the body, then nothing more.
 * - `short`: sends half of the body, with a length that fits.
 */
export type Fault =
  | 'pass'
  | 'page'
  | 'silence'
  | 'hang up'
  | 'hang up after'
  | 'cut'
  | 'stall'
  | 'short'
  | { readonly status: number; readonly code?: string };

type Choose = (method: string, url: string) => Fault;

/** An S3 store that goes wrong: a proxy before a real one. */
export class FaultyProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: URL;
  #choose: Choose = () => 'pass';
  /** Requests so far, such as `GET /bucket/key`. */
  readonly requests: string[] = [];

  private constructor(server: Server, target: string) {
    this.#server = server;
    this.#target = new URL(target);
  }

  static async start(target: string): Promise<FaultyProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new FaultyProxy(server, target);
    server.on('request', (from: IncomingMessage, to: ServerResponse) => {
      proxy.#handle(from, to).catch(() => to.destroy());
    });
    return proxy;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Says what goes wrong from now on: always the same, or by the request. */
  fail(fault: Fault | Choose): void {
    this.#choose = typeof fault === 'function' ? fault : () => fault;
  }

  /** Lets the next requests go wrong in this order, one each, and passes those after them. */
  failNext(...faults: readonly Fault[]): void {
    const left = [...faults];
    this.#choose = () => left.shift() ?? 'pass';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async #handle(from: IncomingMessage, to: ServerResponse): Promise<void> {
    const { method = '', url = '' } = from;
    this.requests.push(`${method} ${url}`);
    const fault = this.#choose(method, url);
    if (fault === 'silence') return;
    if (fault === 'hang up') {
      to.destroy();
      return;
    }
    // Read first, because a client that is still sending may not see the answer.
    const sent = await buffer(from);
    if (fault === 'page') {
      to.writeHead(200, { 'content-type': 'text/html' }).end('<html>This is not S3</html>');
    } else if (typeof fault === 'object') {
      const { status, code } = fault;
      to.writeHead(status).end(
        code && `<?xml version="1.0"?><Error><Code>${code}</Code><Message>Try later</Message></Error>`,
      );
    } else await this.#pass(from, sent, to, fault);
  }

  async #pass(from: IncomingMessage, sent: Buffer, to: ServerResponse, fault: Fault): Promise<void> {
    const { method, url, headers } = from;
    const asking = request(new URL(url ?? '/', this.#target), { method, headers });
    asking.end(sent);
    const [answer] = (await once(asking, 'response')) as [IncomingMessage];
    const body = await buffer(answer);
    if (fault === 'hang up after') {
      to.destroy();
      return;
    }
    const half = body.subarray(0, Math.floor(body.length / 2));
    const length = fault === 'short' ? { 'content-length': `${half.length}` } : {};
    to.writeHead(answer.statusCode ?? 500, { ...answer.headers, ...length });
    if (fault === 'pass') to.end(body);
    else if (fault === 'short') to.end(half);
    else to.write(half, () => fault === 'cut' && to.destroy());
  }
}
