import { resealReport, secretList, secretOrder, secretQuery, secretsQuery, secretView } from '../http/secrets.ts';
import type { RouteDoc } from './route.ts';

const WRITERS = { who: 'users', scopes: ['secrets:write'], teams: 'request' } as const;

/** What the server keeps for builds. No route shows a value. */
export const SECRET_ROUTES = {
  setSecret: {
    method: 'put',
    path: '/v1/secrets',
    tag: 'Secrets',
    access: WRITERS,
    summary: 'Set a secret, a registry login or a git token',
    description:
      'In place of the one of the same team, repo, kind and name. Builds that start from now on get it; nothing shows it again.',
    body: { 'application/json': secretOrder },
    answers: {
      200: { description: 'It took the place of another value.', content: { 'application/json': secretView } },
      201: { description: 'It is new.', content: { 'application/json': secretView } },
    },
    problems: ['malformed_json', 'invalid_request', 'unsupported_media_type', 'body_too_large', 'too_many_secrets'],
  },
  listSecrets: {
    method: 'get',
    path: '/v1/secrets',
    tag: 'Secrets',
    access: { who: 'users', scopes: ['builds:read', 'secrets:write'], teams: 'request' },
    summary: 'List secrets, without their values',
    query: secretsQuery,
    answers: { 200: { description: 'By team, repo, kind and name.', content: { 'application/json': secretList } } },
    problems: ['invalid_request'],
  },
  removeSecret: {
    method: 'delete',
    path: '/v1/secrets',
    tag: 'Secrets',
    access: WRITERS,
    summary: 'Remove a secret',
    description: 'Builds that start from now on don’t get it.',
    query: secretQuery,
    answers: { 200: { description: 'The secret as it was.', content: { 'application/json': secretView } } },
    problems: ['invalid_request', 'secret_not_found'],
  },
  resealSecrets: {
    method: 'post',
    path: '/v1/secrets/reseal',
    tag: 'Secrets',
    access: { who: 'users', scopes: ['admin'], teams: 'pool' },
    summary: 'Seal all secrets with the first key',
    description:
      'The API does so by itself within minutes of a new first key. This does it now, opens every one, and says whether an old key is still needed. What can’t be opened is left as it is.',
    answers: { 200: { description: 'What was done.', content: { 'application/json': resealReport } } },
    problems: [],
  },
} as const satisfies Readonly<Record<string, RouteDoc>>;
