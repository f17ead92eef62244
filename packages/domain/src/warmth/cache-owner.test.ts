import { expect, test } from 'vitest';
import { repoKey } from '../build/repo-key.ts';
import { cacheKey, readCacheKey } from './cache-owner.ts';

const REPO = 'git.example/app//sub:docker/my Dockerfile';

test('cacheKey is unique for class, team and repo, and only the repo for trusted builds of the default team', () => {
  const keys = [
    cacheKey({ repo: REPO, team: 'default' }),
    cacheKey({ repo: REPO, team: 'ops', trust: 'trusted' }),
    cacheKey({ repo: REPO, team: 'web', trust: 'untrusted' }),
    cacheKey({ repo: REPO, team: 'ops', trust: 'untrusted' }),
    cacheKey({ repo: 'app', team: 'web', trust: 'untrusted' }),
  ];
  expect(keys[0]).toBe(REPO);
  expect(new Set(keys).size).toBe(5);
  expect(keys.map(readCacheKey)).toEqual([
    { repo: REPO, trust: 'trusted', team: 'default' },
    { repo: REPO, trust: 'trusted', team: 'ops' },
    { repo: REPO, trust: 'untrusted', team: 'web' },
    { repo: REPO, trust: 'untrusted', team: 'ops' },
    { repo: 'app', trust: 'untrusted', team: 'web' },
  ]);
});

test('cacheKey of the default team never equals another key, whatever the repo’s name', () => {
  for (const dockerfile of [' web app', 'web app']) {
    for (const origin of ['untrusted', 'team']) {
      const repo = repoKey({ origin, dockerfile });
      expect(readCacheKey(cacheKey({ repo, team: 'default' }))).toEqual({ repo, trust: 'trusted', team: 'default' });
    }
  }
});
