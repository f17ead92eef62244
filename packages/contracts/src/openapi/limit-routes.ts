import { tokenId } from '../http/access.ts';
import { teamName } from '../http/fields.ts';
import { limitChange, limitList, limitView, ownLimits } from '../http/limits.ts';
import type { RouteDoc } from './route.ts';

const admins = { who: 'users', scopes: ['admin'], teams: 'pool' } as const;
const changed = { 200: { description: 'What holds now.', content: { 'application/json': limitView } } };
const CHANGE_PROBLEMS = ['malformed_json', 'invalid_request', 'unsupported_media_type', 'body_too_large'] as const;

/** What teams and tokens may do at most. */
export const LIMIT_ROUTES = {
  readLimits: {
    method: 'get',
    path: '/v1/limits',
    tag: 'Limits',
    access: { who: 'known' },
    summary: 'What you may do at most, and how much of it is taken',
    answers: { 200: { description: 'Of your team and of your token.', content: { 'application/json': ownLimits } } },
    problems: [],
  },
  listLimits: {
    method: 'get',
    path: '/v1/limits/all',
    tag: 'Limits',
    access: admins,
    summary: 'What each may do at most, and for whom something else is set',
    answers: { 200: { description: 'All limits.', content: { 'application/json': limitList } } },
    problems: [],
  },
  changeTeamLimits: {
    method: 'patch',
    path: '/v1/limits/teams/:team',
    tag: 'Limits',
    access: admins,
    summary: 'Set limits of a team',
    description: 'At once, for all API processes and for builds that wait. What runs is left alone.',
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
    description: 'Beside those of its team: the lower one holds. They go with the token.',
    params: { token: tokenId },
    body: { 'application/json': limitChange },
    answers: changed,
    problems: [...CHANGE_PROBLEMS, 'token_not_found'],
  },
} as const satisfies Readonly<Record<string, RouteDoc>>;
