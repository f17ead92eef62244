import { createdToken, loginQuery, tokenId, tokenList, tokenRequest, tokenView, whoamiView } from '../http/access.ts';
import { auditEntry, auditQuery } from '../http/audit.ts';
import { type RouteDoc, users } from './route.ts';

/** Who may come in, and who did what. */
export const ACCESS_ROUTES = {
  createToken: {
    method: 'post',
    path: '/v1/tokens',
    tag: 'Access',
    access: users('admin', 'pool'),
    summary: 'Create a token',
    description:
      'The token is in the answer and nowhere else. Scanners find tokens by `kiln_(?:api|worker|admin)_[0-9A-Za-z]{49}`.',
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
    answers: { 200: { description: 'All that are not revoked.', content: { 'application/json': tokenList } } },
    problems: [],
  },
  revokeToken: {
    method: 'delete',
    path: '/v1/tokens/:id',
    tag: 'Access',
    access: users('admin', 'pool'),
    summary: 'Revoke a token',
    description: 'At once and for good; what it follows at the time is cut off.',
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
      'Every change that was made or tried, and every refusal, oldest first, one in each line. Go on from where you are with `after`. Entries are only ever appended; they are dropped when their retention is over. Empty lines are signs of life.',
    query: auditQuery,
    answers: { 200: { description: 'The entries.', content: { 'application/x-ndjson': auditEntry } } },
    problems: ['invalid_request'],
  },
  whoami: {
    method: 'get',
    path: '/v1/whoami',
    tag: 'Access',
    access: { who: 'known' },
    summary: 'Whom the credential stands for',
    answers: {
      200: { description: 'Who, of which team, with which scopes.', content: { 'application/json': whoamiView } },
    },
    problems: [],
  },
  startLogin: {
    method: 'get',
    path: '/auth/login',
    tag: 'Login',
    access: { who: 'anyone' },
    summary: 'Log in in the browser',
    description: 'By the OIDC issuer that this Kiln is set up with.',
    query: loginQuery,
    answers: { 302: { description: 'To the issuer.' } },
    problems: ['invalid_request', 'not_found'],
  },
  finishLogin: {
    method: 'get',
    path: '/auth/callback',
    tag: 'Login',
    access: { who: 'anyone' },
    changes: true,
    summary: 'Where the issuer sends the browser back to',
    answers: { 303: { description: 'Logged in: to where the login was to lead.' } },
    problems: ['unauthorized', 'forbidden', 'not_found'],
  },
  logout: {
    method: 'post',
    path: '/auth/logout',
    tag: 'Login',
    access: { who: 'known' },
    summary: 'Log out',
    description: 'Ends the session at once. A bearer token is left as it is.',
    answers: { 204: { description: 'There is no session any more.' } },
    problems: [],
  },
} as const satisfies Readonly<Record<string, RouteDoc>>;
