import { resealReport, secretList, secretOrder, secretQuery, secretsQuery, secretView } from '../http/secrets.ts';
import type { RouteDoc } from './route.ts';

const WRITERS = { who: 'users', scopes: ['secrets:write'], teams: 'request' } as const;

/** Routes for stored secrets. No route shows their values. */
export const SECRET_ROUTES = {
  setSecret: {
    method: 'put',
    path: '/v1/secrets',
    tag: 'Secrets',
    access: WRITERS,
    summary: 'Set a secret, a registry login or a git token',
    description:
      'Replaces the one with the same team, repo, kind and name. Builds that start from now on get it. Its value is never shown again.',
    body: { 'application/json': secretOrder },
    answers: {
      200: { description: 'The secret was replaced.', content: { 'application/json': secretView } },
      201: { description: 'The secret was created.', content: { 'application/json': secretView } },
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
    answers: {
      200: {
        description: 'The secrets, ordered by team, repo, kind and name.',
        content: { 'application/json': secretList },
      },
    },
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
      'The API does this by itself within minutes after the first key has changed. This does it now, opens every secret, and reports whether an old key is still needed. Secrets that can’t be opened are left as they are.',
    answers: { 200: { description: 'The result.', content: { 'application/json': resealReport } } },
    problems: [],
  },
} as const satisfies Readonly<Record<string, RouteDoc>>;
