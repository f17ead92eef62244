import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Pace } from './body-pace.ts';

const WAITING = new WeakMap<IncomingMessage, ServerResponse>();
const TIMES = new WeakMap<object, BodyTime>();

/** How long a body may take, and the least pace at which it must arrive. */
export interface BodyTime extends Pace {
  readonly ms: number;
}

/** Holds back `100 Continue` for a client that sent `Expect: 100-continue`, until `admitBody` is called. */
export function holdBody(request: IncomingMessage, response: ServerResponse): void {
  WAITING.set(request, response);
}

/** Sends a held-back `100 Continue`. Must be called before a body is read. */
export function admitBody(request: IncomingMessage): void {
  WAITING.get(request)?.writeContinue();
  WAITING.delete(request);
}

/** Limits the time of a body that is read whole, such as JSON. */
export function limitBodyTime(request: IncomingMessage, time: BodyTime): void {
  TIMES.set(request, time);
}

/** The time limit of a request's body; undefined for any other stream. */
export function bodyTimeOf(stream: object): BodyTime | undefined {
  return TIMES.get(stream);
}
