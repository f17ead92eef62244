import { createdToken, loginQuery, tokenId, tokenList, tokenRequest, tokenView, whoamiView } from '../http/access.ts';
import { auditEntry, auditQuery } from '../http/audit.ts';
import { type RouteDoc, users } from './route.ts';

/** Routes for tokens, logins and the audit log. */
export const ACCESS_ROUTES = {
  createToken: {
    method: 'post',
    path: '/v1/tokens',
    tag: 'Access',
    access: users('admin', 'pool'),
    summary: 'Create a token',
    description:
      'The token is only in this response. Secret scanners find tokens by `kiln_(?:api|worker|admin)_[0-9A-Za-z]{49}`.',
    body: { 'application/json': tokenRequest },
    answers: { 201: { description: 'Created.', content: { 'application/json': createdToken } } },
    problems: ['malformed_json', 'invalid_request', 'unsupported_media_type', 'body_too_large'],
  },
  listTokens: {
    method: 'get',
    path: '/v1/tokens',
    tag: 'Access',
    access: users('admin', 'pool'),
    summary: 'List tokens, oldest first',
    answers: { 200: { description: 'All tokens that are not revoked.', content: { 'application/json': tokenList } } },
    problems: [],
  },
  revokeToken: {
    method: 'delete',
    path: '/v1/tokens/:id',
    tag: 'Access',
    access: users('admin', 'pool'),
    summary: 'Revoke a token',
    description: 'Immediate and permanent. Streams that are open with it are closed.',
    params: { id: tokenId },
    answers: { 200: { description: 'The token as it was.', content: { 'application/json': tokenView } } },
    problems: ['invalid_request', 'token_not_found'],
  },
  readAudit: {
    method: 'get',
    path: '/v1/audit',
    tag: 'Access',
    access: users('admin', 'pool'),
    summary: 'Export the audit log',
    description:
      'Every change that was made or tried, and every refusal, oldest first, one in each line. Continue after the last entry with `after`. Entries are never changed, and are deleted after their retention. Empty lines are heartbeats.',
    query: auditQuery,
    answers: { 200: { description: 'The entries.', content: { 'application/x-ndjson': auditEntry } } },
    problems: ['invalid_request'],
  },
  whoami: {
    method: 'get',
    path: '/v1/whoami',
    tag: 'Access',
    access: { who: 'known' },
    summary: 'Show the current identity',
    answers: {
      200: { description: 'The identity with its team and scopes.', content: { 'application/json': whoamiView } },
    },
    problems: [],
  },
  startLogin: {
    method: 'get',
    path: '/auth/login',
    tag: 'Login',
    access: { who: 'anyone' },
    summary: 'Log in with the browser',
    description: 'With the OIDC issuer that this Kiln is configured for.',
    query: loginQuery,
    answers: { 302: { description: 'Redirect to the issuer.' } },
    problems: ['invalid_request', 'not_found'],
  },
  finishLogin: {
    method: 'get',
    path: '/auth/callback',
    tag: 'Login',
    access: { who: 'anyone' },
    changes: true,
    summary: 'Finish the login after the redirect from the issuer',
    answers: { 303: { description: 'Logged in. Redirect to the path given as `returnTo`.' } },
    problems: ['unauthorized', 'forbidden', 'not_found'],
  },
  logout: {
    method: 'post',
    path: '/auth/logout',
    tag: 'Login',
    access: { who: 'known' },
    summary: 'Log out',
    description: 'Ends the session at once. A bearer token is not revoked.',
    answers: { 204: { description: 'The session has ended.' } },
    problems: [],
  },
} as const satisfies Readonly<Record<string, RouteDoc>>;
