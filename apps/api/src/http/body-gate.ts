import type { IncomingMessage, ServerResponse } from 'node:http';

const WAITING = new WeakMap<IncomingMessage, ServerResponse>();

/** The client asked (`Expect: 100-continue`) whether it should send its body at all: it is told when somebody reads it. */
export function holdBody(request: IncomingMessage, response: ServerResponse): void {
  WAITING.set(request, response);
}

/** To be called before a body is read. */
export function admitBody(request: IncomingMessage): void {
  WAITING.get(request)?.writeContinue();
  WAITING.delete(request);
}
