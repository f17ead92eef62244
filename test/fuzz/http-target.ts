import { Agent, type IncomingMessage, request as send } from 'node:http';
import { connect } from 'node:net';
import { problem } from '@kiln/contracts';
import type { Known } from './api-under-test.ts';
import type { FuzzRequest } from './requests.ts';

/** Time after which a response is overdue, ms; a request that asks to wait is given up then. */
const PATIENCE_MS = 5_000;

/** A promise that a response broke. */
export class Broken extends Error {
  readonly code = 'promise_broken';
}

/** Sends requests over persistent connections. */
export class HttpTarget implements Disposable {
  readonly #port: number;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8 });

  constructor({ port }: Pick<Known, 'port'>) {
    this.#port = port;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  /** Sends a request. Returns the status. @throws Broken for a 5xx, for an error that is not a problem document, and if there is no response */
  async send({ method, path, headers, body }: FuzzRequest): Promise<number | 'left'> {
    const { promise, resolve, reject } = Promise.withResolvers<number | 'left'>();
    const going = send(
      {
        port: this.#port,
        host: '127.0.0.1',
        agent: this.#agent,
        method,
        path,
        headers: { ...headers, ...length(body) },
      },
      (answer) => {
        check(method, answer).then(resolve, reject);
      },
    );
    const timer = setTimeout(() => {
      if (mayWait(path)) resolve('left');
      else reject(new Broken(`no response within ${PATIENCE_MS} ms`));
      going.destroy();
    }, PATIENCE_MS);
    // If the body is refused unread, the connection may break after the response.
    going.on('error', (error) => reject(new Broken(`the connection broke: ${error.message}`)));
    going.end(body);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Whether the request asks to wait, as long polls and followers do. */
function mayWait(path: string): boolean {
  return /[?&](?:wait|follow)=/.test(path);
}

function length(body: Buffer | undefined): Record<string, string> {
  return body === undefined ? {} : { 'content-length': String(body.length) };
}

async function check(method: string, answer: IncomingMessage): Promise<number> {
  const status = answer.statusCode ?? 0;
  if (status < 400) {
    // Streams such as logs may not end; what is checked came with the head.
    answer.destroy();
    return status;
  }
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  checkProblem(
    status,
    answer.headers['content-type'] ?? '',
    method === 'HEAD' ? undefined : Buffer.concat(chunks).toString(),
  );
  return status;
}

/** @throws Broken if a response with status 400 or above is not a problem document, or reveals internals of Kiln */
export function checkProblem(status: number, type: string, text: string | undefined): void {
  if (status >= 500) throw new Broken(`status ${status}: ${text}`);
  if (!type.startsWith('application/problem+json')) throw new Broken(`status ${status} as ${JSON.stringify(type)}`);
  if (text === undefined) return;
  const parsed = problem.safeParse(JSON.parse(text));
  if (!parsed.success || parsed.data.status !== status) throw new Broken(`status ${status} with ${text}`);
  if (/\bat .*\.[jt]s:\d+|node:internal|\/node_modules\//.test(text))
    throw new Broken(`a stack trace in a response: ${text}`);
}

/** Sends exactly these bytes on a new connection. Returns the statuses of the responses. @throws Broken */
export async function sendRaw({ port }: Pick<Known, 'port'>, bytes: Buffer): Promise<(number | 'nothing')[]> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: false });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  socket.on('error', () => {});
  socket.end(bytes);
  const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
  await closed;
  clearTimeout(timer);
  return answersIn(Buffer.concat(chunks).toString('latin1'));
}

function answersIn(text: string): (number | 'nothing')[] {
  const statuses: (number | 'nothing')[] = [];
  for (let rest = text; rest !== ''; ) {
    const [, status = '', head = ''] = /^HTTP\/1\.1 (\d{3})[^\r\n]*\r\n([\s\S]*?)\r\n\r\n/.exec(rest) ?? [];
    if (status === '') throw new Broken(`not an HTTP response: ${JSON.stringify(rest.slice(0, 200))}`);
    const from = rest.indexOf('\r\n\r\n') + 4;
    const size = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
    const code = Number(status);
    if (code >= 400) {
      const body = Buffer.from(rest.slice(from, from + size), 'latin1').toString();
      checkProblem(code, /^content-type: (.*)$/im.exec(head)?.[1] ?? '', body === '' ? undefined : body);
    }
    statuses.push(code);
    rest = rest.slice(from + size);
  }
  return statuses.length === 0 ? ['nothing'] : statuses;
}
