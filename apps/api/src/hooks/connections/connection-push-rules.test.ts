import type { StoredConnection } from '@kiln/state';
import { expect, test } from 'vitest';
import { connectionPushRules } from './connection-push-rules.ts';

const TAG = 'r.example/docs:pr-1';
const FORGE = 'https://code.example';

const connection = (change: Partial<StoredConnection> = {}): StoredConnection => ({
  ...{ name: 'code', forge: 'gitea', team: 'web', url: FORGE, apiUrl: FORGE, checks: false, gitUser: 'git' },
  repositories: [{ match: ['**'], configPath: '.kiln.yaml', forks: 'untrusted', untrustedPush: ['r.example/**'] }],
  ...{ createdAt: 1, updatedAt: 1, secrets: { webhook: 'w' } },
  ...change,
});
const rules = (stored: StoredConnection, tags = [TAG], url = `${FORGE}/a/app.git`) =>
  connectionPushRules({ team: 'web', source: { type: 'git', url }, tags }, { list: async () => [stored] });

test('a connection of the team lets builds of its site’s sources push the tags that it allows, and no others', async () => {
  expect(await rules(connection(), [TAG, 'elsewhere.example/docs:1'])).toEqual([{ pattern: 'r.example/docs' }]);
});

test('connections of other teams and of other sites, and those without such a rule, allow nothing', async () => {
  expect(await rules(connection({ team: 'other' }))).toEqual([]);
  expect(await rules(connection(), [TAG], 'https://other.example/a/app.git')).toEqual([]);
  expect(
    await rules(connection({ repositories: [{ match: ['**'], configPath: '.kiln.yaml', forks: 'untrusted' }] })),
  ).toEqual([]);
});
