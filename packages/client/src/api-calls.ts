import type { z } from 'zod';
import { FEW, parseJson, readAnswer } from './answer.ts';
import { readText } from './http-answer.ts';
import type { ClientDeps } from './retry.ts';
import type { Call, Transport } from './transport.ts';

type BuildSchemas = typeof import('./build-schemas.ts');
type Schemas = BuildSchemas & typeof import('./schemas.ts');
/** The name of the schema of an answer. */
type AnswerName = keyof Schemas;
type Answer<N extends AnswerName> = z.output<Schemas[N]>;

const OF_BUILDS = new Set<string>([
  'buildView',
  'missingTreeParts',
  'storedTreeParts',
] satisfies (keyof BuildSchemas)[]);

/** Calls a route and reads its answer. */
export type CallJson = <N extends AnswerName>(path: string, answer: N, call: Call) => Promise<Answer<N>>;

/** What all groups of `KilnClient`'s methods are built on. */
export class ApiCalls {
  protected readonly transport: Transport;
  protected readonly deps: ClientDeps;

  constructor(transport: Transport, deps: ClientDeps) {
    this.transport = transport;
    this.deps = deps;
  }

  /** Calls a route and parses its answer by the schema of that name. */
  protected async json<N extends AnswerName>(path: string, answer: N, call: Call): Promise<Answer<N>> {
    const isOfBuild = OF_BUILDS.has(answer);
    const load = () => (isOfBuild ? import('./build-schemas.ts') : import('./schemas.ts'));
    // While the server works on its answer. Before the request is sent, the server would wait instead.
    const onSent = () => void load().catch(() => undefined);
    const body = await readText(await this.transport.call(path, { ...call, onSent }));
    const schemas = (await load()) as unknown as { readonly [M in AnswerName]: z.ZodType<Answer<M>> };
    return readAnswer(path, schemas[answer], parseJson(body), isOfBuild ? FEW : undefined);
  }
}

/** A JSON body with its header. */
export function jsonBody(body: unknown): { readonly headers: Readonly<Record<string, string>>; readonly body: string } {
  return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
