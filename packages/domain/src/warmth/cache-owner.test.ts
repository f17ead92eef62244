import { expect, test } from 'vitest';
import { repoKey } from '../build/repo-key.ts';
import { cacheKey, readCacheKey } from './cache-owner.ts';

const REPO = 'git.example/app//sub:docker/my Dockerfile';

test('a trusted build’s caches are its repo’s; untrusted ones are apart, for each team', () => {
  const keys = [
    cacheKey({ repo: REPO, team: 'web' }),
    cacheKey({ repo: REPO, team: 'ops', trust: 'trusted' }),
    cacheKey({ repo: REPO, team: 'web', trust: 'untrusted' }),
    cacheKey({ repo: REPO, team: 'ops', trust: 'untrusted' }),
    cacheKey({ repo: 'app', team: 'web', trust: 'untrusted' }),
  ];
  expect(keys.slice(0, 2)).toEqual([REPO, REPO]);
  expect(new Set(keys.slice(1)).size).toBe(4);
  expect(keys.map(readCacheKey)).toEqual([
    { repo: REPO, trust: 'trusted' },
    { repo: REPO, trust: 'trusted' },
    { repo: REPO, trust: 'untrusted', team: 'web' },
    { repo: REPO, trust: 'untrusted', team: 'ops' },
    { repo: 'app', trust: 'untrusted', team: 'web' },
  ]);
});

test('no trusted repo can be named so that its key is an untrusted one', () => {
  for (const dockerfile of [' web app', 'web app']) {
    const repo = repoKey({ origin: 'untrusted', dockerfile });
    expect(readCacheKey(cacheKey({ repo, team: 'web' }))).toEqual({ repo, trust: 'trusted' });
  }
});
