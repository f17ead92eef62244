import { describe, expect, test } from 'vitest';
import {
  DEFAULT_TEAM_LIMITS,
  gitTarget,
  isAllowedTarget,
  limitsOf,
  lowest,
  registryTarget,
  UNLIMITED,
} from './limits.ts';

describe('limits', () => {
  test('limitsOf overrides defaults only by what is set', () => {
    const limits = limitsOf(DEFAULT_TEAM_LIMITS, { concurrentBuilds: 2, queuedBuilds: undefined, registries: [] });
    expect(limits).toEqual({ ...DEFAULT_TEAM_LIMITS, concurrentBuilds: 2, registries: [] });
  });

  test('lowest returns the lowest of several limits', () => {
    expect(lowest(3, UNLIMITED, 2, undefined)).toBe(2);
    expect(lowest(0, 1)).toBe(0);
    expect(lowest(UNLIMITED, undefined)).toBeUndefined();
  });
});

describe('targets', () => {
  test.each([
    ['r.example.org/team/app:1', 'r.example.org/team/app'],
    ['r.example.org:5000/app', 'r.example.org:5000/app'],
    ['R.Example.org/app', 'r.example.org/app'],
    ['localhost/app:2', 'localhost/app'],
    ['app', 'docker.io/library/app'],
    ['team/app:1', 'docker.io/team/app'],
    ['REG/app', 'reg/app'],
    ['docker.io/app', 'docker.io/library/app'],
    ['index.docker.io/team/app', 'docker.io/team/app'],
  ])('registryTarget of %s is %s', (tag, target) => {
    expect(registryTarget(tag)).toBe(target);
  });

  test.each([
    ['https://Git.example.org/a/b.git', 'git.example.org/a/b'],
    ['https://git.example.org:8443/a/b/', 'git.example.org:8443/a/b'],
    ['http://[::1]:80/a', '[::1]/a'],
  ])('gitTarget of %s is %s', (url, target) => {
    expect(gitTarget(url)).toBe(target);
  });

  test.each([
    [['r.example.org'], 'r.example.org/a/b', true],
    [['r.example.org'], 'r.example.org:5000/a', false],
    [['r.example.org'], 'r.example.org.evil.example/a', false],
    [['r.example.org/web/**'], 'r.example.org/web/app', true],
    [['r.example.org/web/**'], 'r.example.org/website/app', false],
    [['r.example.org/web/*'], 'r.example.org/web/a/b', false],
    [['*.example.org'], 'r.example.org/a', true],
    [['*.example.org'], 'evil.test/r.example.org/a', false],
    [['*'], 'anything:1/at/all', true],
    [[], 'r.example.org/a', false],
  ])('isAllowedTarget with %j and %s returns %s', (patterns, target, is) => {
    expect(isAllowedTarget(patterns, target)).toBe(is);
  });
});
