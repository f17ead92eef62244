import type { z } from 'zod';
import { parseJson, readAnswer } from './answer.ts';
import type { ClientDeps } from './retry.ts';
import type { Call, Transport } from './transport.ts';

/** Calls a route and reads its answer. */
export type CallJson = <S extends z.ZodType>(path: string, schema: S, call: Call) => Promise<z.output<S>>;

/** What all groups of `KilnClient`'s methods are built on. */
export class ApiCalls {
  protected readonly transport: Transport;
  protected readonly deps: ClientDeps;

  constructor(transport: Transport, deps: ClientDeps) {
    this.transport = transport;
    this.deps = deps;
  }

  /** Calls a route and parses its answer by `schema`. */
  protected async json<S extends z.ZodType>(path: string, schema: S, call: Call): Promise<z.output<S>> {
    const response = await this.transport.call(path, call);
    return readAnswer(path, schema, parseJson(await this.text(response, call.signal)));
  }

  /** Reads a body. An answer that breaks off in the middle counts as no answer. */
  protected async text(response: Response, signal: AbortSignal | undefined): Promise<string> {
    try {
      return await response.text();
    } catch (error) {
      signal?.throwIfAborted();
      throw this.transport.lost(error);
    }
  }
}

/** A JSON body with its header. */
export function jsonBody(body: unknown): { readonly headers: Readonly<Record<string, string>>; readonly body: string } {
  return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
