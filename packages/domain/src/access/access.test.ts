import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ClaimRule, firstMatch } from './claim-rules.ts';
import {
  ALL_TEAMS,
  ANONYMOUS,
  LOCAL_ADMIN,
  leastTrust,
  type Principal,
  SCOPES,
  seesTeam,
  teamFor,
} from './principal.ts';
import { type AccessDecision, decideAccess, type RouteAccess } from './route-access.ts';
import { formatToken, TOKEN_BYTES, TOKEN_KINDS, tokenKind } from './token-format.ts';

const user = (...scopes: Principal['scopes']): Principal => ({
  ...{ kind: 'token', id: 't1', name: 'ci', team: 'web', trust: 'trusted', scopes },
});
const UNTRUSTED: Principal = { ...user(...SCOPES), trust: 'untrusted' };
const WORKER: Principal = { ...LOCAL_ADMIN, kind: 'worker', scopes: [] };

describe('decideAccess', () => {
  const users = (...scopes: readonly [Principal['scopes'][number], ...Principal['scopes']]): RouteAccess => ({
    ...{ who: 'users', scopes, teams: 'pool' },
  });
  const rows: [Principal, RouteAccess, AccessDecision][] = [
    [ANONYMOUS, { who: 'anyone' }, 'allowed'],
    [WORKER, { who: 'anyone' }, 'allowed'],
    [ANONYMOUS, { who: 'known' }, 'unknown'],
    [WORKER, { who: 'known' }, 'allowed'],
    [user(), { who: 'known' }, 'allowed'],
    [ANONYMOUS, users('builds:read'), 'unknown'],
    [user(), users('builds:read'), 'scope_missing'],
    [user('builds:write', 'logs:read'), users('builds:read'), 'scope_missing'],
    [user('builds:read'), users('builds:read'), 'allowed'],
    [user('builds:read'), users('hosts:operate', 'builds:read'), 'allowed'],
    [user('admin'), users('hosts:operate'), 'allowed'],
    [user('hosts:operate'), users('admin'), 'scope_missing'],
    [LOCAL_ADMIN, users('admin'), 'allowed'],
    [WORKER, users('builds:read'), 'users_only'],
    [{ ...WORKER, scopes: [...SCOPES] }, users('builds:read'), 'users_only'],
    [WORKER, { who: 'users', scopes: ['admin'], workers: true, teams: 'context' }, 'allowed'],
    [user('admin'), { who: 'workers' }, 'workers_only'],
    [WORKER, { who: 'workers' }, 'allowed'],
    [ANONYMOUS, { who: 'workers' }, 'unknown'],
  ];
  test.each(rows)('of %j for %j returns %s', (principal, access, decision) => {
    expect(decideAccess(principal, access, true)).toBe(decision);
    expect(decideAccess(principal, access, false)).toBe(decision);
  });

  test('lets an untrusted credential read by any route of its scopes, and change only by routes that are open to it', () => {
    const [admins, own] = [users('admin'), { ...users('builds:write'), untrusted: 'own' } as const];
    expect(decideAccess(UNTRUSTED, admins, false)).toBe('allowed');
    expect(decideAccess(UNTRUSTED, admins, true)).toBe('untrusted');
    expect(decideAccess(UNTRUSTED, own, true)).toBe('allowed');
    expect(decideAccess({ ...UNTRUSTED, scopes: [] }, own, true)).toBe('scope_missing');
    expect(decideAccess({ ...WORKER, trust: 'untrusted' }, { ...admins, workers: true } as RouteAccess, true)).toBe(
      'allowed',
    );
  });

  test('seesTeam and teamFor give a team only its own, and an anonymous caller nothing', () => {
    expect([seesTeam({ team: 'web' }, 'web'), seesTeam({ team: 'web' }, 'ops')]).toEqual([true, false]);
    expect([seesTeam({ team: ALL_TEAMS }, 'ops'), seesTeam(ANONYMOUS, 'ops')]).toEqual([true, false]);
    expect([teamFor({ team: 'web' }, undefined), teamFor({ team: 'web' }, 'web')]).toEqual(['web', 'web']);
    expect(teamFor({ team: 'web' }, 'ops')).toBeUndefined();
    expect([teamFor(LOCAL_ADMIN, undefined), teamFor(LOCAL_ADMIN, 'ops')]).toEqual(['default', 'ops']);
  });

  test('leastTrust returns untrusted if one party is', () => {
    expect(leastTrust('trusted', 'untrusted')).toBe('untrusted');
    expect(leastTrust('trusted', undefined)).toBe('trusted');
  });
});

describe('formatToken', () => {
  const bytes = fc.uint8Array({ minLength: TOKEN_BYTES, maxLength: TOKEN_BYTES });

  test('returns what secret scanners look for, with a CRC-32 as zlib computes it', () => {
    fc.assert(
      fc.property(fc.constantFrom(...TOKEN_KINDS), bytes, (kind, random) => {
        const token = formatToken(kind, random);
        expect(token).toMatch(/^kiln_(?:api|worker|admin|session)_[0-9A-Za-z]{49}$/);
        expect(tokenKind(token)).toBe(kind);
        const check = [...token.slice(-6)].reduce(
          (sum, char) => sum * 62 + '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'.indexOf(char),
          0,
        );
        expect(check).toBe(crc32(token.slice(0, -6)));
      }),
    );
  });

  test('returns different tokens for different bytes', () => {
    const [low, high] = [new Uint8Array(TOKEN_BYTES), new Uint8Array(TOKEN_BYTES).fill(255)];
    const near = Uint8Array.from(high, (byte, i) => (i === 0 ? byte - 1 : byte));
    expect(new Set([low, high, near].map((one) => formatToken('api', one))).size).toBe(3);
    expect(() => formatToken('api', new Uint8Array(31))).toThrow(RangeError);
  });

  test('returns tokens of which tokenKind detects any changed character', () => {
    const token = formatToken('api', new Uint8Array(TOKEN_BYTES).fill(7));
    for (let i = 'kiln_api_'.length; i < token.length; i += 1) {
      const other = token[i] === 'x' ? 'y' : 'x';
      expect(tokenKind(token.slice(0, i) + other + token.slice(i + 1))).toBe('mistyped');
    }
    expect(tokenKind(token.replace('api', 'worker'))).toBe('mistyped');
    expect([tokenKind('secret'), tokenKind(`${token}x`), tokenKind(token.slice(1))]).toEqual(Array(3).fill(undefined));
  });
});

describe('firstMatch', () => {
  const rule = (team: string, claims: ClaimRule['claims']): ClaimRule => ({
    ...{ team, claims, scopes: ['builds:write'], trust: 'trusted' },
  });
  const teamOf = (rules: ClaimRule[], claims: Record<string, unknown>) => firstMatch(rules, claims)?.team;

  test('returns the first rule whose claims all match', () => {
    const rules = [
      rule('release', { repository: ['acme/*'], ref: ['refs/heads/main', 'refs/tags/**'] }),
      rule('any', { repository: ['acme/*'] }),
    ];
    expect(teamOf(rules, { repository: 'acme/app', ref: 'refs/heads/main' })).toBe('release');
    expect(teamOf(rules, { repository: 'acme/app', ref: 'refs/tags/v1/2' })).toBe('release');
    expect(teamOf(rules, { repository: 'acme/app', ref: 'refs/heads/other' })).toBe('any');
    expect(teamOf(rules, { repository: 'evil/app', ref: 'refs/heads/main' })).toBeUndefined();
    expect(teamOf(rules, {})).toBeUndefined();
  });

  test('matches lists, numbers, booleans, names with dots and paths', () => {
    expect(teamOf([rule('g', { groups: ['ops'] })], { groups: ['web', 'ops'] })).toBe('g');
    expect(teamOf([rule('g', { groups: ['ops'] })], { groups: [['ops']] })).toBeUndefined();
    expect(teamOf([rule('n', { project_id: ['42'] })], { project_id: 42 })).toBe('n');
    expect(teamOf([rule('b', { ref_protected: ['true'] })], { ref_protected: true })).toBe('b');
    expect(teamOf([rule('p', { 'realm.roles': ['x'] })], { realm: { roles: ['x'] } })).toBe('p');
    expect(teamOf([rule('d', { 'https://a.b/c': ['x'] })], { 'https://a.b/c': 'x' })).toBe('d');
    expect(teamOf([rule('o', { groups: ['**'] })], { groups: { a: 1 } })).toBeUndefined();
    expect(teamOf([rule('h', { 'constructor.name': ['Object'] })], {})).toBeUndefined();
  });
});
