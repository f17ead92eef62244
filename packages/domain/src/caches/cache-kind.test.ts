import { expect, test } from 'vitest';
import { mountKind } from './cache-kind.ts';
import { readMountId } from './mount-id.ts';

test.each([
  ...[
    '/root/.npm',
    '/usr/local/share/.cache/yarn',
    'pnpm-store',
    '/root/.cache/pip',
    '/root/.m2',
    '/root/.m2/repository',
  ],
  ...[
    '/go/pkg/mod',
    'gomod',
    '/usr/local/cargo/registry',
    '/usr/local/cargo/git/db',
    '/var/cache/apt',
    '/var/lib/apt/lists',
  ],
  ...[
    '/home/gradle/.gradle/caches/modules-2',
    '/root/.nuget/packages',
    '/app/node_modules',
    '/root/.cache/uv',
    '/root/.bun',
  ],
])('mountKind takes %s for dependencies', (name) => {
  expect(mountKind(name)).toBe('dependencies');
});

test.each([
  ...[
    '/root/.cache/go-build',
    '/app/target',
    '/src/dist',
    '/root/.ccache',
    '/app/.next/cache',
    '/app/node_modules/.cache',
  ],
  ...['/root/.gradle/build-cache', 'turbo', '/root/.cache/bazel', 'anything-else', '/data', ''],
])('mountKind takes %s for outputs', (name) => {
  expect(mountKind(name)).toBe('outputs');
});

test('readMountId separates the namespace, and says whose builds share the mount', () => {
  expect(readMountId('0123456789abcdef//root/.npm')).toEqual({
    ...{ namespace: '0123456789abcdef', name: '/root/.npm', scope: 'repo' },
  });
  expect(readMountId('team-web/npm')).toEqual({ namespace: 'team-web', name: 'npm', scope: 'team', team: 'web' });
  expect(readMountId('pool//root/.m2')).toEqual({ namespace: 'pool', name: '/root/.m2', scope: 'pool' });
  expect(readMountId('npm')).toEqual({ namespace: '', name: 'npm', scope: 'repo' });
});
