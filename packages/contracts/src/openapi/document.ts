import type { TeamReach } from '@kiln/domain';
import { z } from 'zod';
import { type ProblemCode, problem } from '../http/problem.ts';
import { PROBLEM_KINDS } from './problem-kinds.ts';
import { type AnswerDoc, type BodyDoc, changesState, type HeaderDoc, type RouteDoc } from './route.ts';
import { ROUTES } from './routes.ts';

type Json = Record<string, unknown>;

/** Problems that every route can answer with. */
const EVERYWHERE: readonly ProblemCode[] = [
  'malformed_http',
  'headers_too_large',
  'request_timeout',
  'store_full',
  'unavailable',
  'internal',
];

/** Creates the OpenAPI 3.1 document of the API from the schemas with which the API parses requests. */
export function openApiDocument(version: string): Json {
  const components = new Components();
  const paths: Record<string, Json> = {};
  for (const [operationId, route] of Object.entries(ROUTES)) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operation(operationId, route, components) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Kiln',
      version,
      description:
        'A pool of stateful build workers. Errors are RFC 9457 problem details with a stable `code`; `errors` lists each invalid field, what it contained and what was expected. Unknown fields are refused.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set(Object.values(ROUTES).map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: components.schemas,
      securitySchemes: {
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: '__Host-kiln-session',
          description:
            'Set by a login with the browser. Requests that change something are accepted only from pages of the same origin.',
        },
        token: {
          type: 'http',
          scheme: 'bearer',
          description:
            'A token of this Kiln, or an OIDC token of an issuer that it trusts. The scopes of each operation are listed with it: one of them is enough, and `admin` includes all.',
        },
      },
    },
  };
}

/** Collects schemas with an id in `#/components/schemas`. Each id stands for one shape. */
class Components {
  readonly schemas: Record<string, Json> = {};

  /** Returns the JSON Schema of a request (`input`, where fields with defaults are optional) or response. */
  schema(schema: z.ZodType, io: 'input' | 'output'): Json {
    const {
      $defs = {},
      $schema: _,
      ...own
    } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Json & { $defs?: Record<string, Json> };
    const { id, ...root } = own as Json & { id?: string };
    for (const [name, definition] of Object.entries($defs)) this.#add(name, definition);
    if (id === undefined) return relink(root);
    this.#add(id, root);
    return { $ref: `#/components/schemas/${id}` };
  }

  #add(name: string, definition: Json): void {
    const { id: _, ...rest } = definition;
    const linked = relink(rest);
    const known = this.schemas[name];
    if (known && JSON.stringify(known) !== JSON.stringify(linked))
      throw new Error(`two schemas of different shape have the id ${name}`);
    this.schemas[name] = linked;
  }
}

function relink(schema: Json): Json {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/')) as Json;
}

function operation(operationId: string, route: RouteDoc, components: Components): Json {
  const { summary, tag, access, body, bodyRequired = true, params = {}, query, headers = {} } = route;
  const description = [route.description, accessText(route)].filter(Boolean).join(' ');
  return {
    operationId,
    summary,
    ...(description && { description }),
    tags: [tag],
    security: access.who === 'anyone' ? [] : credentials(access),
    parameters: [
      ...Object.entries(params).map(([name, schema]) => ({
        name,
        in: 'path',
        required: true,
        schema: components.schema(schema, 'output'),
      })),
      ...Object.entries(query?.shape ?? {}).map(([name, schema]) =>
        queryParameter(name, schema as z.ZodType, components),
      ),
      ...Object.entries(headers).map(([name, header]) => ({
        name,
        in: 'header',
        required: header.required ?? false,
        ...describedHeader(header),
      })),
    ],
    ...(body && { requestBody: { required: bodyRequired, content: contents(body, 'input', components) } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(route.answers).map(([status, answer]) => [status, answerDoc(answer, components)]),
      ),
      ...problemAnswers(route, components),
    },
  };
}

/** Returns the accepted credentials: a token or, except for workers, a session, both with scopes, as OpenAPI 3.1 allows. */
function credentials(access: RouteDoc['access']): Json[] {
  const scopes = access.who === 'users' ? access.scopes : [];
  return [{ token: scopes }, ...(access.who === 'workers' ? [] : [{ session: scopes }])];
}

/** Describes which credentials a route accepts. */
function accessText(route: RouteDoc): string {
  const { access } = route;
  switch (access.who) {
    case 'anyone':
      return '';
    case 'known':
      return 'Accepts any valid credential.';
    case 'workers':
      return 'Only for workers.';
    case 'users': {
      const scopes = access.scopes.map((scope) => `\`${scope}\``).join(' or ');
      const untrusted = changesState(route) ? UNTRUSTED_TEXTS[access.untrusted ?? 'refused'] : '';
      return `Requires the scope ${scopes}${access.workers ? ', or a worker token' : ''}.${TEAM_TEXTS[access.teams]}${untrusted}`;
    }
  }
}

const TEAM_TEXTS: Readonly<Record<TeamReach, string>> = {
  build: ' Builds of other teams are not found.',
  list: ' Builds of other teams are omitted.',
  request: ' A team other than the token’s own is refused.',
  context: ' Contexts that another team has uploaded are not found.',
  own: ' Those of other teams are not found.',
  pool: '',
};

const UNTRUSTED_TEXTS = {
  own: ' Untrusted credentials can change only untrusted builds and schedules.',
  refused: ' Untrusted credentials are refused.',
} as const;

function queryParameter(name: string, schema: z.ZodType, components: Components): Json {
  const { description, ...rest } = components.schema(schema, 'output');
  const required = !schema.safeParse(undefined).success;
  return { name, in: 'query', required, ...(description !== undefined && { description }), schema: rest };
}

function describedHeader({ description }: HeaderDoc): Json {
  return { description, schema: { type: 'string' } };
}

function answerDoc({ description, content, headers }: AnswerDoc, components: Components): Json {
  return {
    description,
    ...(headers && {
      headers: Object.fromEntries(Object.entries(headers).map(([name, header]) => [name, describedHeader(header)])),
    }),
    ...(content && { content: contents(content, 'output', components) }),
  };
}

function contents(content: Readonly<Record<string, BodyDoc>>, io: 'input' | 'output', components: Components): Json {
  return Object.fromEntries(
    Object.entries(content).map(([type, body]) => [type, { schema: bodySchema(body, io, components) }]),
  );
}

function bodySchema(body: BodyDoc, io: 'input' | 'output', components: Components): Json {
  if (body instanceof z.ZodType) return components.schema(body, io);
  if ('raw' in body) {
    return {
      type: 'string',
      ...(body.raw === 'binary' && { contentMediaType: 'application/octet-stream' }),
      ...(body.description && { description: body.description }),
    };
  }
  return {
    type: 'object',
    properties: Object.fromEntries(
      Object.entries(body.parts).map(([name, part]) => [name, bodySchema(part, io, components)]),
    ),
    required: body.required,
  };
}

/** Returns one response for each status, with its problem codes. */
function problemAnswers({ problems, access }: RouteDoc, components: Components): Json {
  const refusals: readonly ProblemCode[] =
    access.who === 'anyone' ? ['too_many_requests'] : ['unauthorized', 'forbidden', 'too_many_requests'];
  const codes: ProblemCode[] = [...problems, ...refusals, ...EVERYWHERE];
  const byStatus = Object.groupBy(new Set(codes), (code) => String(PROBLEM_KINDS[code].status));
  const schema = components.schema(problem, 'output');
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, named = []]) => [
      status,
      {
        description: named.map((code) => `\`${code}\`: ${PROBLEM_KINDS[code].title}.`).join(' '),
        content: { 'application/problem+json': { schema } },
      },
    ]),
  );
}
