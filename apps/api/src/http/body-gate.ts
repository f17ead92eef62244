import type { IncomingMessage, ServerResponse } from 'node:http';

const WAITING = new WeakMap<IncomingMessage, ServerResponse>();
const DEADLINES = new WeakMap<object, number>();

/** The client asked (`Expect: 100-continue`) whether it should send its body at all: it is told when somebody reads it. */
export function holdBody(request: IncomingMessage, response: ServerResponse): void {
  WAITING.set(request, response);
}

/** To be called before a body is read. */
export function admitBody(request: IncomingMessage): void {
  WAITING.get(request)?.writeContinue();
  WAITING.delete(request);
}

/** A body that is read whole, as JSON, has `ms` to arrive. */
export function limitBodyTime(request: IncomingMessage, ms: number): void {
  DEADLINES.set(request, ms);
}

/** How long it has, ms; undefined for what isn't a request's own body. */
export function bodyTimeOf(stream: object): number | undefined {
  return DEADLINES.get(stream);
}
