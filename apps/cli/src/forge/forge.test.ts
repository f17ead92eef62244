import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectionView, deliveryView } from '@kiln/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../cli.ts';
import { fakeIo } from '../testing/fake-io.ts';
import { RealPool } from '../testing/real-pool.ts';

let pool: RealPool;
const cwd = mkdtempSync(join(tmpdir(), 'kiln-cli-'));
beforeAll(async () => {
  pool = await RealPool.start();
});
afterAll(async () => {
  rmSync(cwd, { recursive: true });
  await pool[Symbol.asyncDispose]();
});

async function run(line: string, stdin = '') {
  const io = fakeIo({ env: pool.env, cwd, stdin: Buffer.from(stdin) });
  const code = await runCli(line.split(' '), io);
  return { code, out: io.stdout.text, err: io.stderr.text };
}

function ping(secret: string, id: string): Promise<Response> {
  const body = JSON.stringify({ zen: 'Keep it logically awesome.' });
  const signature = createHmac('sha256', secret).update(body).digest('hex');
  return fetch(`${pool.api.url}/v1/hooks/github/acme`, {
    method: 'POST',
    headers: {
      ...{ 'content-type': 'application/json', 'x-github-event': 'ping', 'x-github-delivery': id },
      'x-hub-signature-256': `sha256=${signature}`,
    },
    body,
  });
}

describe('kiln connection', () => {
  it('makes one, whose secret is printed alone and works; changes it; removes it', async () => {
    const made = await run('connection set acme --forge github --team acme --repo acme/** --repo !acme/old');
    expect(made).toMatchObject({ code: 0, out: expect.stringMatching(/^[\w-]{43}\n$/) });
    expect(made.err).toContain(`webhook   ${pool.api.url}/v1/hooks/github/acme`);
    expect((await ping(made.out.trim(), 'one')).status).toBe(202);
    expect((await run('connection ls')).out).toMatch(/^acme +github +acme +acme\/\*\* !acme\/old +no +http/m);

    const changed = await run('connection set acme --api-token-file - --team ops', 'ghp_secret\n');
    expect(changed).toMatchObject({ code: 0, out: '' });
    expect((await ping(made.out.trim(), 'two')).status).toBe(202);
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

  it('takes all of it from a file', async () => {
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
    writeFileSync(join(cwd, 'c.yaml'), text);
    expect((await run('connection set from-file -f c.yaml')).code).toBe(0);
    expect((await run('connection show from-file')).out).toContain(
      'builds    web/app (forks ignore, untrustedPush r.example/previews/**, cloneUrl http://gitea.internal:3000/web/app.git)',
    );
    writeFileSync(join(cwd, 'c.yaml'), 'forge: [');
    expect(await run('connection set from-file -f c.yaml')).toMatchObject({
      code: 125,
      err: expect.stringContaining('is no YAML'),
    });
  });

  it.each([
    ['connection set x', '--forge and --team and --repo: needed'],
    ['connection set x --forge svn --team a --repo b/c', 'forge: got "svn"'],
    ['connection set x --forge gitea --team a --repo b/c', 'url: got nothing, expected the URL of the Gitea site'],
    ['connection set x --forge gitlab --team a --repo b/c --checks', 'checks: got true'],
    ['connection set x --api-token-file a --no-api-token', 'not both'],
    ['connection set X --forge github --team a --repo b/c', 'name: got "X"'],
    ['connection create', 'kiln connection set does that'],
  ])('%s: says what is wrong', async (line, words) => {
    expect(await run(line)).toMatchObject({ code: 125, out: '', err: expect.stringContaining(words) });
  });
});

describe('kiln deliveries and delivery', () => {
  it('say what came of webhooks, and work on one again', async () => {
    const { out: secret } = await run('connection set acme --forge github --team acme --repo acme/**');
    await ping(secret.trim(), 'three');
    const listed = await run('deliveries --connection acme -n 1');
    const id = /^(\w{26}) /m.exec(listed.out)?.[1] ?? '';
    expect(listed.out).toMatch(/^\w{26} +(?:done|pending) +acme +\d+s +0 +/m);
    const again = deliveryView.parse(JSON.parse((await run(`delivery --json --redeliver ${id}`)).out));
    expect(again).toMatchObject({ id, forgeId: 'three' });
    for (;;) {
      const { code, out } = await run(`delivery ${id}`);
      expect(code).toBe(0);
      if (!out.includes(': done after')) continue;
      expect(out).toContain('github: ping\n  nothing built: a ping: the connection works\n');
      break;
    }
    expect(await run(`delivery ${'0'.repeat(26)}`)).toMatchObject({
      code: 125,
      err: expect.stringContaining('kiln deliveries'),
    });
    expect(await run('deliveries --state lost')).toMatchObject({
      code: 125,
      err: expect.stringContaining('--state lost'),
    });
  });
});

describe('kiln hook', () => {
  it('makes one, with its secret alone on standard output; lists it; removes it', async () => {
    const made = await run('hook create --team web -e build.failed,build.started https://target.example/x');
    expect(made).toMatchObject({ code: 0, out: expect.stringMatching(/^whsec_[\w+/]{43}=\n$/) });
    const id = /webhook (\w{26})/.exec(made.err)?.[1] ?? '';
    expect((await run('hook ls')).out).toMatch(
      new RegExp(`${id} +web +on +\\ds +failed,started +https://target.example/x`),
    );
    expect(await run(`hook messages ${id}`)).toMatchObject({ code: 0, err: 'kiln: no messages\n' });
    expect(await run(`hook rm ${id}`)).toMatchObject({ code: 0, out: `${id} removed\n` });
    expect(await run(`hook resend ${id} msg_${'a'.repeat(27)}`)).toMatchObject({
      code: 125,
      err: expect.stringContaining('kiln hook ls'),
    });
  });

  it.each([
    ['hook create https://a --event build.exploded', '--event build.exploded: expected build.queued'],
    ['hook create ftp://a', 'url: got "ftp://a"'],
    ['hook redeliver', 'kiln hook resend does that'],
  ])('%s: says what is wrong', async (line, words) => {
    expect(await run(line)).toMatchObject({ code: 125, out: '', err: expect.stringContaining(words) });
  });
});
