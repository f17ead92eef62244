import { tokenId } from '../http/access.ts';
import { teamName } from '../http/fields.ts';
import { limitChange, limitList, limitView, ownLimits } from '../http/limits.ts';
import type { RouteDoc } from './route.ts';

const admins = { who: 'users', scopes: ['admin'], teams: 'pool' } as const;
const changed = { 200: { description: 'The limits that apply now.', content: { 'application/json': limitView } } };
const CHANGE_PROBLEMS = ['malformed_json', 'invalid_request', 'unsupported_media_type', 'body_too_large'] as const;

/** Routes for limits of teams and tokens. */
export const LIMIT_ROUTES = {
  readLimits: {
    method: 'get',
    path: '/v1/limits',
    tag: 'Limits',
    access: { who: 'known' },
    summary: 'Show your limits and their usage',
    answers: {
      200: { description: 'The limits of your team and of your token.', content: { 'application/json': ownLimits } },
    },
    problems: [],
  },
  listLimits: {
    method: 'get',
    path: '/v1/limits/all',
    tag: 'Limits',
    access: admins,
    summary: 'List default and individual limits',
    answers: { 200: { description: 'All limits.', content: { 'application/json': limitList } } },
    problems: [],
  },
  changeTeamLimits: {
    method: 'patch',
    path: '/v1/limits/teams/:team',
    tag: 'Limits',
    access: admins,
    summary: 'Set limits of a team',
    description: 'Applies at once in all API processes and to queued builds. Running builds are not affected.',
    params: { team: teamName },
    body: { 'application/json': limitChange },
    answers: changed,
    problems: CHANGE_PROBLEMS,
  },
  changeTokenLimits: {
    method: 'patch',
    path: '/v1/limits/tokens/:token',
    tag: 'Limits',
    access: admins,
    summary: 'Set limits of a token',
    description: 'Of these and the limits of its team, the lower ones apply. They are removed with the token.',
    params: { token: tokenId },
    body: { 'application/json': limitChange },
    answers: changed,
    problems: [...CHANGE_PROBLEMS, 'token_not_found'],
  },
} as const satisfies Readonly<Record<string, RouteDoc>>;
