import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A span as it arrived. Times in ms since the epoch. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly status: { readonly code?: number; readonly message?: string };
  /** Of the process that sent it. */
  readonly resource: Readonly<Record<string, unknown>>;
}

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

interface Received {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly RawSpan[] }[];
  }[];
}

interface RawSpan extends Omit<ReceivedSpan, 'startedAt' | 'endedAt' | 'attributes' | 'resource' | 'parentSpanId'> {
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
}

const NANOS_PER_MS = 1e6;

/** A receiver of traces by OTLP/HTTP in JSON. */
export class TraceReceiver implements AsyncDisposable {
  readonly spans: ReceivedSpan[] = [];
  readonly headers: IncomingHttpHeaders[] = [];
  /** Statuses of the next answers; 200 after that. */
  readonly answers: number[] = [];
  readonly #server = createServer(async (request, response) => {
    const chunks = await Array.fromAsync(request as AsyncIterable<Buffer>);
    const status = request.url === '/v1/traces' ? (this.answers.shift() ?? 200) : 404;
    if (status === 200) {
      this.headers.push(request.headers);
      this.#take(JSON.parse(Buffer.concat(chunks).toString()) as Received);
    }
    response.writeHead(status, { 'Content-Type': 'application/json' }).end('{}');
  });

  static async start(): Promise<TraceReceiver> {
    const receiver = new TraceReceiver();
    receiver.#server.listen(0, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #take({ resourceSpans }: Received): void {
    for (const { resource, scopeSpans } of resourceSpans)
      for (const { spans } of scopeSpans)
        for (const { startTimeUnixNano, endTimeUnixNano, attributes, parentSpanId, ...span } of spans)
          this.spans.push({
            ...span,
            parentSpanId,
            startedAt: Number(startTimeUnixNano) / NANOS_PER_MS,
            endedAt: Number(endTimeUnixNano) / NANOS_PER_MS,
            attributes: objectOf(attributes),
            resource: objectOf(resource.attributes),
          });
  }
}

function objectOf(attributes: readonly Attribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
