import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Pace } from './body-pace.ts';

const WAITING = new WeakMap<IncomingMessage, ServerResponse>();
const TIMES = new WeakMap<object, BodyTime>();

/** How long a body may take, and how fast it has to come. */
export interface BodyTime extends Pace {
  readonly ms: number;
}

/** The client asked (`Expect: 100-continue`) whether it should send its body at all: it is told when somebody reads it. */
export function holdBody(request: IncomingMessage, response: ServerResponse): void {
  WAITING.set(request, response);
}

/** To be called before a body is read. */
export function admitBody(request: IncomingMessage): void {
  WAITING.get(request)?.writeContinue();
  WAITING.delete(request);
}

/** Holds for a body that is read whole, as JSON. */
export function limitBodyTime(request: IncomingMessage, time: BodyTime): void {
  TIMES.set(request, time);
}

/** Undefined for what isn't a request's own body. */
export function bodyTimeOf(stream: object): BodyTime | undefined {
  return TIMES.get(stream);
}
