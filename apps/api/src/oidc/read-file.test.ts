import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readOidcFile } from './read-file.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-oidc-'));
});
afterEach(() => rm(dir, { recursive: true }));

async function read(text: string, file = 'oidc.yaml') {
  const path = join(dir, file);
  await writeFile(path, text);
  return readOidcFile(path);
}

const GITHUB = `
issuers:
  - name: github
    issuer: https://token.actions.githubusercontent.com
    audience: https://kiln.example.com
    rules:
      - claims: { repository: acme/*, event_name: pull_request }
        team: acme
        trust: untrusted
      - claims:
          repository_owner: acme
          ref: [refs/heads/main, "refs/tags/**"]
          repository_id: 42
        team: acme
        scopes: [builds:write]
`;

test('reads YAML and JSON with defaults for omitted fields', async () => {
  const { issuers } = await read(GITHUB);
  expect(issuers[0]).toMatchObject({
    audience: ['https://kiln.example.com'],
    rules: [
      {
        claims: { repository: ['acme/*'], event_name: ['pull_request'] },
        ...{ team: 'acme', trust: 'untrusted', scopes: ['builds:read', 'builds:write', 'logs:read'] },
      },
      { claims: { ref: ['refs/heads/main', 'refs/tags/**'], repository_id: ['42'] }, trust: 'trusted' },
    ],
  });
  expect(issuers[0]?.algorithms).toContain('RS256');
  expect(issuers[0]?.algorithms.some((name) => name.startsWith('HS'))).toBe(false);
  const json = { issuers: [{ name: 'a', issuer: 'https://a.example', audience: 'k', rules: [rule({})] }] };
  expect((await read(JSON.stringify(json), 'oidc.json')).issuers).toHaveLength(1);
});

const rule = (change: object) => ({ claims: { sub: 'x' }, team: 'web', ...change });
const issuer = (change: object) => ({
  ...{ name: 'a', issuer: 'https://a.example', audience: 'kiln', rules: [rule({})] },
  ...change,
});
const LOGIN = { login: { clientId: 'kiln' } };

describe('an invalid file', () => {
  test.each([
    [{ issuers: [] }, 'issuers: got [], expected at least 1 item'],
    [
      { issuers: [issuer({ issuer: 'http://a.example' })] },
      'issuers[0].issuer: got "http://a.example", expected a URL with https://',
    ],
    [
      { issuers: [issuer({ audience: undefined })] },
      'issuers[0].audience: got nothing, expected an audience, or login',
    ],
    [{ issuers: [issuer({ algorithms: ['HS256'] })] }, 'issuers[0].algorithms[0]: got "HS256", expected "RS256" or'],
    [{ issuers: [issuer({ rules: [] })] }, 'issuers[0].rules: got [], expected at least 1 item'],
    [{ issuers: [issuer({ rules: [rule({ team: 'Web' })] })] }, 'issuers[0].rules[0].team: got "Web"'],
    [
      { issuers: [issuer({ rules: [rule({ team: undefined })] })] },
      'issuers[0].rules[0].team: got nothing, expected a team',
    ],
    [{ issuers: [issuer({ rules: [rule({ scopes: ['root'] })] })] }, 'issuers[0].rules[0].scopes[0]: got "root"'],
    [{ issuers: [issuer({ rules: [rule({ scopes: ['admin'] })] })] }, 'expected no team with the scope admin'],
    [{ issuers: [issuer({ rules: [rule({ claims: {} })] })] }, 'otherwise everybody of this issuer would be admitted'],
    [
      { issuers: [issuer({ rules: [rule({ claims: { sub: '**' } })] })] },
      'otherwise everybody of this issuer would be admitted',
    ],
    [{ issuers: [issuer({ rules: [rule({ claims: { sub: ['a', '*'] } })] })] }, 'otherwise everybody'],
    [{ issuers: [issuer({}), issuer({})] }, 'issuers[1].name: got "a", expected a name that no other issuer has'],
    [{ issuers: [issuer({ ...LOGIN, audience: 'kiln' })] }, 'a browser’s ID token is not a bearer token'],
    [{ issuers: [issuer({ rule: 1 })] }, 'issuers[0].rule: got 1, expected no such field'],
    [
      {
        issuers: [
          issuer({ ...LOGIN, audience: 'x' }),
          issuer({ name: 'b', issuer: 'https://b.example', ...LOGIN, audience: 'x' }),
        ],
      },
      'issuers[1].login: got {"clientId":"kiln"}, expected at most one issuer with login',
    ],
  ])('is refused with the field: %j', async (value, words) => {
    await expect(read(JSON.stringify(value))).rejects.toThrow(words);
  });

  test('is refused if it is not YAML or doesn’t exist, or has an empty secret, without showing the secret', async () => {
    await expect(read('issuers: [')).rejects.toThrow(
      /KILN_OIDC_FILE: .*oidc.yaml is not valid YAML or JSON: .* at line 1/,
    );
    expect(() => readOidcFile(join(dir, 'missing'))).toThrow(
      /KILN_OIDC_FILE: got ".*missing", expected a readable file/,
    );
    const inline = { issuers: [issuer({ audience: 'x', login: { clientId: 'k', clientSecret: 'hunter2' } })] };
    const told = await read(JSON.stringify(inline)).catch((error: Error) => error.message);
    expect(told).toContain('issuers[0].login.clientSecret: got a value that is not shown, expected no such field');
    expect(told).not.toContain('hunter2');
    const login = { clientId: 'k', clientSecretFile: 'secret' };
    await expect(read(JSON.stringify({ issuers: [issuer({ audience: 'x', login })] }))).rejects.toThrow(
      /issuers\[0\]\.login\.clientSecretFile: got ".*secret", expected a readable file/,
    );
    await writeFile(join(dir, 'secret'), 'hunter2\n');
    const { issuers } = await read(JSON.stringify({ issuers: [issuer({ audience: 'x', login })] }));
    expect(issuers[0]?.login?.clientSecretFile).toBe(join(dir, 'secret'));
  });
});
