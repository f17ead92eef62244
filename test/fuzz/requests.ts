import { ROUTES } from '@kiln/contracts';
import fc from 'fast-check';
import { body } from './bodies.ts';
import { RECORDED } from './mutate.ts';

const TYPES = [
  'application/json',
  'application/json; charset=utf-8',
  'multipart/form-data; boundary=b',
  'multipart/form-data',
  'text/plain',
  'application/x-www-form-urlencoded',
  'application/x-tar',
  'application/json, text/html',
];
const NAMES = [
  'accept',
  'x-request-id',
  'idempotency-key',
  'last-event-id',
  'x-forwarded-for',
  'content-encoding',
  'cookie',
  'origin',
  'range',
  'x-github-event',
  'x-gitlab-event',
  'x-gitlab-token',
  'x-gitea-event',
  'x-event-key',
  'x-hub-signature-256',
  'if-none-match',
  'sec-fetch-site',
  'x-http-method-override',
];

/** A value of a header field that a client is able to send. */
const headerValue = fc.oneof(
  fc.string({ maxLength: 60 }).map((text) => text.replace(/[^\x20-\x7e]/g, '')),
  fc.constantFrom(
    'text/event-stream',
    'text/plain',
    '*/*',
    '1.1',
    '999999999.1',
    'gzip',
    'null',
    'a'.repeat(4_000),
    '127.0.0.1, evil',
    '__Host-kiln-session=x',
    '\u00e9\u00ff',
    '0',
  ),
);

function typed(type: string | undefined): Record<string, string> {
  return type === undefined ? {} : { 'content-type': type };
}

const ID_PATH = /:(\w+)/g;
const routes = Object.values(ROUTES);

/** A path of the catalogue with valid, invalid or missing parameters, one of a webhook endpoint, or a random one. */
function path(builds: readonly string[]): fc.Arbitrary<{ method: string; path: string }> {
  const value = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom(
        ...builds,
        'h1',
        'web',
        `${'0'.repeat(26)}`,
        `sha256:${'0'.repeat(64)}`,
        `${'0'.repeat(26)}-1`,
      ),
    },
    { weight: 2, arbitrary: fc.string({ maxLength: 40 }).map(encoded) },
    { weight: 1, arbitrary: fc.constantFrom('%', '%E0%A4%A', '..', '%2e%2e%2f', '%00', ';', '*', 'a'.repeat(3_000)) },
  );
  const known = fc.record({
    route: fc.constantFrom(...routes),
    values: fc.array(value, { minLength: 3, maxLength: 3 }),
  });
  const method = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'PROPFIND', 'TRACE');
  return fc.oneof(
    {
      weight: 8,
      arbitrary: known.map(({ route, values }) => {
        let i = 0;
        return {
          method: route.method.toUpperCase(),
          path: route.path.replace(ID_PATH, () => values[i++ % values.length] ?? ''),
        };
      }),
    },
    { weight: 3, arbitrary: fc.constant({ method: 'POST', path: '/v1/builds' }) },
    {
      weight: 2,
      arbitrary: fc.record({
        method: fc.constant('POST'),
        path: fc.constantFrom(...RECORDED).map(({ forge }) => `/v1/hooks/${forge}/c1`),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ method, path: fc.webPath().map((text) => (text.startsWith('/') ? text : `/${text}`)) }),
    },
    { weight: 1, arbitrary: fc.record({ method, path: known.map(({ route }) => route.path) }) },
  );
}

const QUERY_NAMES = [
  'follow',
  'wait',
  'limit',
  'cursor',
  'state',
  'team',
  'repo',
  'format',
  'attempt',
  'after',
  'since',
  'until',
  'force',
  'returnTo',
  'code',
  'x',
  '__proto__',
  'a[b]',
];
const query = fc
  .array(
    fc.tuple(
      fc.constantFrom(...QUERY_NAMES),
      fc.oneof(
        fc.constantFrom('1', '0', 'true', 'false', 'text', '-1', '1e9', 'queued', '1.1', '', '%', '\u0000'),
        fc.string({ maxLength: 20 }),
      ),
    ),
    { maxLength: 3 },
  )
  .map((pairs) =>
    pairs.length === 0 ? '' : `?${pairs.map(([name, value]) => `${encoded(name)}=${encoded(value)}`).join('&')}`,
  );

/** Encodes any text, also one with lone surrogates, for which `encodeURIComponent` throws. */
function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

export interface FuzzRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
}

/** Any request that a client is able to send to the API. */
export function request(known: {
  readonly tokens: readonly string[];
  readonly builds: readonly string[];
}): fc.Arbitrary<FuzzRequest> {
  const authorization = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...known.tokens).map((token) => `Bearer ${token}`) },
    {
      weight: 1,
      arbitrary: fc.oneof(
        fc.constantFrom('', 'Bearer', 'Basic eDp5', 'Bearer kiln_api_x', 'Bearer eyJhbGciOiJub25lIn0.e30.'),
        headerValue,
      ),
    },
  );
  return fc
    .record({
      target: path(known.builds),
      query,
      authorization,
      type: fc.option(fc.oneof(fc.constantFrom(...TYPES), headerValue), { freq: 4, nil: undefined }),
      others: fc.dictionary(fc.constantFrom(...NAMES), headerValue, { maxKeys: 3 }),
      isOther: fc.nat(5).map((n) => n === 0),
      given: fc.option(body, { freq: 4, nil: undefined }),
    })
    .map(({ target, query: search, authorization: credential, type, others, isOther, given }) => ({
      method: target.method,
      path: target.path + search,
      headers: { ...others, authorization: credential, ...typed(isOther ? type : given?.type) },
      body: given?.bytes,
    }));
}
