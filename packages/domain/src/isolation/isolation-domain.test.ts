import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TRUSTS } from '../access/principal.ts';
import { domainText, ISOLATIONS, isolationDomain, readDomain } from './isolation-domain.ts';

const owner = fc.record({
  trust: fc.constantFrom(...TRUSTS),
  team: fc.string({ minLength: 1, unit: fc.constantFrom('a', 'team', ' ', '%', '%20', 'repo', 'trusted') }),
  repo: fc.string({ minLength: 1, unit: fc.constantFrom('a', 'team', ' ', '%', 'repo', '/', 'untrusted') }),
});

test('isolationDomain contains the trust class and, depending on the isolation, team and repo', () => {
  const app = { trust: 'trusted', team: 'web', repo: 'github.com/acme/app//a b' } as const;
  expect(ISOLATIONS.map((isolation) => isolationDomain(app, isolation))).toEqual([
    'trusted team web',
    'trusted repo web github.com/acme/app//a b',
    'trusted',
  ]);
  expect(isolationDomain({ team: 'web', repo: 'x' }, 'team')).toBe('trusted team web');
  expect(isolationDomain({ trust: 'untrusted', team: 'web', repo: 'x' }, 'team')).toBe('untrusted team web');
});

test('isolationDomain returns the same key exactly for builds that may share a builder', () => {
  const shared = {
    pool: () => true,
    team: (a: { team: string }, b: { team: string }) => a.team === b.team,
    repo: (a: { team: string; repo: string }, b: { team: string; repo: string }) =>
      a.team === b.team && a.repo === b.repo,
  };
  fc.assert(
    fc.property(owner, owner, fc.constantFrom(...ISOLATIONS), (a, b, isolation) => {
      const same = isolationDomain(a, isolation) === isolationDomain(b, isolation);
      expect(same).toBe(a.trust === b.trust && shared[isolation](a, b));
    }),
  );
});

test('isolationDomain returns different keys for different isolations, and readDomain parses them', () => {
  fc.assert(
    fc.property(owner, fc.constantFrom(...ISOLATIONS), ({ trust, team, repo }, isolation) => {
      const { team: _, repo: __, ...rest } = readDomain(isolationDomain({ trust, team, repo }, isolation)) ?? {};
      expect(rest).toEqual({ trust, isolation });
      const parts = readDomain(isolationDomain({ trust, team, repo }, 'repo'));
      expect(parts).toEqual({ trust, isolation: 'repo', team, repo });
    }),
  );
  expect(
    ['', 'else', 'trusted team', 'trusted team a b', 'trusted else a', 'trusted team %zz'].map(readDomain),
  ).toEqual(Array(6).fill(undefined));
});

test('domainText describes a domain for people', () => {
  expect(['trusted', 'untrusted team web', 'trusted repo web app', 'else'].map(domainText)).toEqual([
    'trusted builds of every team',
    'untrusted builds of team web',
    'trusted builds of repo app of team web',
    'else',
  ]);
});
