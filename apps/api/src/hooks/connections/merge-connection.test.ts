import { type ConnectionRequest, connectionRequest } from '@kiln/contracts';
import { describe, expect, test } from 'vitest';
import { mergeConnection } from './merge-connection.ts';

const GITEA: ConnectionRequest = {
  ...{ forge: 'gitea', team: 'web', url: 'https://git.example/' },
  repositories: [{ match: ['web/**'] }],
};
const ask = (more: Partial<ConnectionRequest> = {}) => connectionRequest.parse({ ...GITEA, ...more });
const make = () => 'made up';
const full = mergeConnection(
  'c',
  ask({ webhookSecret: 'w', apiToken: 'a', gitToken: 'g' }),
  undefined,
  1,
  make,
).connection;
const again = (more: Partial<ConnectionRequest> = {}) => mergeConnection('c', ask(more), full, 2, make);

describe('the addresses of a connection', () => {
  test.each([
    [{ forge: 'github', url: undefined }, 'https://github.com', 'https://api.github.com'],
    [{ forge: 'github', url: 'https://ghe.example' }, 'https://ghe.example', 'https://ghe.example/api/v3'],
    [{ forge: 'gitlab', url: undefined }, 'https://gitlab.com', 'https://gitlab.com/api/v4'],
    [{ forge: 'bitbucket', url: undefined }, 'https://bitbucket.org', 'https://api.bitbucket.org/2.0'],
    [{}, 'https://git.example', 'https://git.example/api/v1'],
    [{ apiUrl: 'http://inner:3000/api/v1/' }, 'https://git.example', 'http://inner:3000/api/v1'],
  ] as const)('of %j are %s and %s', (more, url, apiUrl) => {
    expect(mergeConnection('c', ask(more), undefined, 1, make).connection).toMatchObject({ url, apiUrl });
  });
});

describe('the secrets of a connection', () => {
  test('include a generated webhook secret only if the connection is new', () => {
    expect(mergeConnection('c', ask(), undefined, 1, make)).toMatchObject({
      ...{ newSecret: 'made up', connection: { secrets: { webhook: 'made up' }, createdAt: 1 } },
    });
    expect(again()).toMatchObject({ connection: { secrets: full.secrets, createdAt: 1, updatedAt: 2 } });
    expect(again().newSecret).toBeUndefined();
  });

  test('are kept if the request leaves them out, and removed by null', () => {
    expect(again({ apiToken: null, gitToken: 'h' }).connection.secrets).toEqual({ webhook: 'w', git: 'h' });
  });

  test.each([
    [{ apiUrl: 'https://evil.example' }, 'apiToken'],
    [{ url: 'https://evil.example', apiToken: 'a' }, 'gitToken'],
    [{ repositories: [{ match: ['web/app'], cloneUrl: 'https://evil.example/web/app.git' }] }, 'gitToken'],
    [{ url: 'http://git.example', apiToken: 'a' }, 'gitToken'],
  ])('have to be given again if they would go to another server: with %j, %s', (more, field) => {
    expect(() => again(more)).toThrow(
      expect.objectContaining({ code: 'invalid_request', errors: [expect.objectContaining({ field })] }),
    );
    const given = field === 'apiToken' ? { apiToken: 'new' } : { gitToken: 'new' };
    expect(again({ ...more, ...given }).connection.secrets).toMatchObject(
      field === 'apiToken' ? { api: 'new' } : { git: 'new' },
    );
    expect(
      Object.values(
        again({ ...more, ...(field === 'apiToken' ? { apiToken: null } : { gitToken: null }) }).connection.secrets,
      ),
    ).toHaveLength(2);
  });

  test('a pattern needs a placeholder for the repository in its clone URL', () => {
    const cloneUrl = 'http://inner/app.git';
    const parse = (match: string[], url: string) =>
      connectionRequest.safeParse({ ...GITEA, repositories: [{ match, cloneUrl: url }] }).error?.issues[0]?.path;
    expect(parse(['web/*'], cloneUrl)).toEqual(['repositories', 0, 'cloneUrl']);
    expect(parse(['web/app', 'web/api'], cloneUrl)).toEqual(['repositories', 0, 'cloneUrl']);
    expect(parse(['web/app'], cloneUrl)).toBeUndefined();
    expect(parse(['web/*'], 'http://inner/{repository}.git')).toBeUndefined();
  });
});
