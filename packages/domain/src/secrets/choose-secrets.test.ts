import { describe, expect, test } from 'vitest';
import { repoOrigin } from '../build/repo-key.ts';
import { chooseSecrets } from './choose-secrets.ts';
import { isMasked } from './masking.ts';
import type { SecretInfo } from './stored-secret.ts';

const secret = (name: string, more: Partial<SecretInfo> = {}): SecretInfo => ({
  ...{ team: 'web', kind: 'build', name, untrustedOk: false },
  ...more,
});
const APP = 'git.example/acme/app';
const ref = (name: string, id = name) => ({ id, name });

describe('chooseSecrets', () => {
  const team = secret('NPM');
  const own = secret('NPM', { repo: APP });
  const others = secret('NPM', { repo: 'git.example/acme/other' });

  test.each([
    ['the repo’s own secret before the team’s, in any order', [team, own, others], own],
    ['the repo’s own secret before the team’s, in any order', [own, team], own],
    ['the team’s secret if the repo has none', [others, team], team],
  ])('chooses %s', (_, all, expected) => {
    const { named, refused } = chooseSecrets(all, { repo: APP, trust: 'trusted', named: [ref('NPM', 'npm')] });
    expect([named, refused]).toEqual([[{ ref: ref('NPM', 'npm'), secret: expected }], []]);
  });

  test('reports another repo’s secret as missing, and likewise a login or token of that name', () => {
    const all = [others, secret('NPM', { kind: 'registry' }), secret('NPM', { kind: 'git' })];
    const { named, refused } = chooseSecrets(all, { repo: APP, trust: 'trusted', named: [ref('NPM')] });
    expect([named, refused]).toEqual([[], [{ ref: ref('NPM'), why: 'missing' }]]);
  });

  test('chooses one login and git token for each host without being asked', () => {
    const all = [
      secret('r.example', { kind: 'registry' }),
      secret('r.example', { kind: 'registry', repo: APP }),
      secret('git.example', { kind: 'git' }),
      secret('git.example', { kind: 'git', repo: 'git.example/acme/other' }),
    ];
    const chosen = chooseSecrets(all, { repo: APP, trust: 'trusted', named: [] });
    expect(chosen).toEqual({ named: [], refused: [], logins: [all[1]], gitTokens: [all[2]] });
  });
});

describe('chooseSecrets for an untrusted build', () => {
  test('chooses only secrets that are marked for untrusted builds', () => {
    const kinds = ['build', 'registry', 'git'] as const;
    const all = kinds.flatMap((kind) => [secret('a', { kind, untrustedOk: true }), secret('b', { kind })]);
    const chosen = chooseSecrets(all, { repo: APP, trust: 'untrusted', named: [ref('a'), ref('b')] });
    expect(chosen.named.map(({ secret: { name } }) => name)).toEqual(['a']);
    expect(chosen.refused).toEqual([{ ref: ref('b'), why: 'withheld' }]);
    expect([...chosen.logins, ...chosen.gitTokens].map(({ name }) => name)).toEqual(['a', 'a']);
  });

  test('withholds the team’s secret if the repo’s own one replaces it', () => {
    const all = [secret('a', { untrustedOk: true }), secret('a', { repo: APP })];
    const chosen = chooseSecrets(all, { repo: APP, trust: 'untrusted', named: [ref('a')] });
    expect(chosen.refused).toEqual([{ ref: ref('a'), why: 'withheld' }]);
  });
});

test.each([
  ['https://user@Git.Example/acme/app.git', APP],
  ['git@git.example:acme/app', APP],
  ['git.example/acme/app//services/web', APP],
  ['git.example/acme/app', APP],
  ['app', 'app'],
])('repoOrigin of %s is %s', (origin, repo) => {
  expect(repoOrigin(origin)).toBe(repo);
});

test('isMasked ignores values that are too short', () => {
  expect(['abcd', ' ab\n', 'abc', ''].map(isMasked)).toEqual([true, false, false, false]);
});
