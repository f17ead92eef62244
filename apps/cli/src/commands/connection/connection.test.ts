import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectionView } from '@kiln/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ping } from '../../testing/ping.ts';
import { TempDir } from '../../testing/temp-dir.ts';
import { withRealPool } from '../../testing/with-real-pool.ts';

let dir: TempDir;
beforeAll(async () => {
  dir = await TempDir.with({});
});
afterAll(() => dir[Symbol.asyncDispose]());
const cli = withRealPool();
const run = (line: string, stdin = '') => cli.run(line, { cwd: dir.path, stdin: Buffer.from(stdin) });

describe('kiln connection', () => {
  it('creates a connection and prints only its secret, then changes and removes it', async () => {
    const made = await run('connection set acme --forge github --team acme --repo acme/** --repo !acme/old');
    expect(made).toMatchObject({ code: 0, out: expect.stringMatching(/^[\w-]{43}\n$/) });
    expect(made.err).toContain(`webhook   ${cli.pool.api.url}/v1/hooks/github/acme`);
    expect((await ping(cli.pool.api.url, made.out.trim(), 'one')).status).toBe(202);
    expect((await run('connection ls')).out).toMatch(/^acme +github +acme +acme\/\*\* !acme\/old +no +http/m);

    const changed = await run('connection set acme --api-token-file - --team ops', 'ghp_secret\n');
    expect(changed).toMatchObject({ code: 0, out: '' });
    expect((await ping(cli.pool.api.url, made.out.trim(), 'two')).status).toBe(202);
    const shown = await run('connection show acme --json');
    expect(connectionView.parse(JSON.parse(shown.out))).toMatchObject({
      ...{ team: 'ops', hasApiToken: true, hasGitToken: false, repositories: [{ match: ['acme/**', '!acme/old'] }] },
    });
    expect(changed.err + shown.out).not.toContain('ghp_secret');
    expect((await run('connection show acme')).out).toContain('statuses  as commit statuses');

    expect(await run('connection set acme --site https://ghe.example')).toMatchObject({
      ...{
        code: 125,
        err: expect.stringContaining('apiToken: got nothing, expected the token for https://ghe.example/api/v3'),
      },
    });
    await run('connection set acme --site https://ghe.example --no-api-token');
    expect((await run('connection show acme')).out).toContain('API       https://ghe.example/api/v3');
    expect(await run('connection rm acme')).toMatchObject({ code: 0, out: 'acme removed\n' });
    expect(await run('connection show acme')).toMatchObject({
      code: 125,
      err: expect.stringContaining('kiln connection ls'),
    });
  });

  it('reads all properties from a file', async () => {
    const text = `forge: gitea
team: web
url: https://git.example
repositories:
  - match: [web/app]
    forks: ignore
    cloneUrl: http://gitea.internal:3000/web/app.git
    untrustedPush: ['r.example/previews/**']
  - match: ['web/**']
`;
    await writeFile(join(dir.path, 'c.yaml'), text);
    expect(await run('connection set from-file -f c.yaml')).toMatchObject({ code: 0 });
    expect((await run('connection show from-file')).out).toContain(
      'builds    web/app (forks ignore, untrustedPush r.example/previews/**, cloneUrl http://gitea.internal:3000/web/app.git)',
    );
    await writeFile(join(dir.path, 'c.yaml'), 'forge: [');
    expect(await run('connection set from-file -f c.yaml')).toMatchObject({
      code: 125,
      err: expect.stringContaining('c.yaml is not valid YAML or JSON'),
    });
  });

  it('rotates the webhook secret, prints only the new one, and shows until when the old one is valid', async () => {
    await run('connection set acme --forge github --team acme --repo acme/**');
    const rotated = await run('connection rotate-secret acme --overlap 1h');
    expect(rotated).toMatchObject({ code: 0, out: expect.stringMatching(/^[\w-]{43}\n$/) });
    expect(rotated.err).toMatch(/^kiln: connection acme: the old secret is valid until \d{4}-/);
    expect((await run('connection show acme')).out).toMatch(/^secret +the old secret is valid until \d{4}-/m);
    expect(await run('connection rotate-secret acme --webhook-secret-file - --overlap 0', 'mine\n')).toMatchObject({
      ...{ code: 0, out: '', err: 'kiln: connection acme: the old secret is no longer valid\n' },
    });
    expect((await run('connection show acme')).out).not.toMatch(/^secret/m);
  });

  it('uses a GitHub App, and shows its id only', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
    const flags = '--forge github --team acme --repo acme/** --app-id 4711 --app-key-file - --checks';
    expect(await run(`connection set app ${flags}`, pem)).toMatchObject({ code: 0 });
    const { out } = await run('connection show app');
    expect(out).toMatch(/^app +GitHub App 4711$/m);
    expect(out).toMatch(/^statuses +as check runs$/m);
    expect(out).toMatch(/^clones +as the GitHub App$/m);
    expect((await run('connection show app --json')).out).not.toContain('PRIVATE KEY');
    await run('connection set app --no-app');
    expect((await run('connection show app')).out).not.toContain('4711');
  });

  it.each([
    ['connection rotate-secret gone', 'kiln connection ls'],
    ['connection rotate-secret gone --overlap soon', '--overlap'],
    ['connection set x --forge github --team a --repo b/c --app-id 1', '--app-key-file are required together'],
    ['connection set x', '--forge, --team, --repo are required for a new connection'],
    ['connection set x --forge svn --team a --repo b/c', 'forge: got "svn"'],
    ['connection set x --forge gitea --team a --repo b/c', 'url: got nothing, expected the URL of the Gitea site'],
    ['connection set x --forge gitlab --team a --repo b/c --checks', 'checks: got true'],
    ['connection set x --api-token-file a --no-api-token', '--api-token-file cannot be combined with --no-api-token'],
    ['connection set X --forge github --team a --repo b/c', 'name: got "X"'],
    ['connection create', 'use kiln connection set'],
  ])('refuses %s', async (line, words) => {
    expect(await run(line)).toMatchObject({ code: 125, out: '', err: expect.stringContaining(words) });
  });
});
