import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../cli.ts';
import { FakeApi } from '../testing/fake-api.ts';
import { fakeIo } from '../testing/fake-io.ts';

let kiln: FakeApi;
let github: Server;
let asked: IncomingMessage[] = [];
let answer: (response: ServerResponse) => void;
let made = 0;

beforeEach(async () => {
  kiln = await FakeApi.start();
  [asked, made] = [[], 0];
  answer = (response) => response.end(JSON.stringify({ value: idToken(300) }));
  github = createServer((request, response) => {
    asked.push(request);
    answer(response);
  });
  await new Promise<void>((resolve) => {
    github.listen(0, '127.0.0.1', resolve);
  });
});
afterEach(async () => {
  github.closeAllConnections();
  await new Promise((resolve) => github.close(resolve));
  await kiln[Symbol.asyncDispose]();
});

/** A token like GitHub's, as far as the CLI reads it. Only the API verifies tokens. */
function idToken(seconds: number): string {
  made += 1;
  const payload = { n: made, exp: Math.floor(Date.now() / 1_000) + seconds };
  kiln.token = `e30.${Buffer.from(JSON.stringify(payload)).toString('base64url')}.c2ln`;
  return kiln.token;
}

async function run(line: string, more: Record<string, string> = {}) {
  const env = {
    ...{ KILN_URL: kiln.url, KILN_OIDC: 'github', ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of-the-job' },
    ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${(github.address() as AddressInfo).port}/token?api-version=2.0`,
    ...more,
  };
  const io = fakeIo({ env });
  const code = await runCli(line.split(' '), io);
  return { code, out: io.stdout.text, err: io.stderr.text };
}

describe('KILN_OIDC=github', () => {
  it('sends the job’s identity, with this Kiln as its audience', async () => {
    expect(await run('ps')).toMatchObject({ code: 0 });
    expect(asked[0]?.headers.authorization).toBe('Bearer of-the-job');
    const { searchParams } = new URL(asked[0]?.url ?? '', 'http://x');
    expect([searchParams.get('api-version'), searchParams.get('audience')]).toEqual(['2.0', kiln.url]);
    expect(kiln.seen.every(({ headers }) => headers.authorization === `Bearer ${kiln.token}`)).toBe(true);
    await run('ps', { KILN_OIDC_AUDIENCE: 'https://kiln.example' });
    expect(new URL(asked.at(-1)?.url ?? '', 'http://x').searchParams.get('audience')).toBe('https://kiln.example');
  });

  it('requests a token once, and again before it expires', async () => {
    await run('ps');
    expect([asked.length, kiln.seen.length]).toEqual([1, 3]);
    answer = (response) => response.end(JSON.stringify({ value: idToken(20) }));
    kiln.seen.length = 0;
    await run('host ls');
    await run('host ls');
    expect(asked).toHaveLength(3);
  });

  it('is ignored if a token is given', async () => {
    kiln.token = 'given';
    expect(await run('ps', { KILN_TOKEN: 'given' })).toMatchObject({ code: 0 });
    expect(asked).toEqual([]);
  });

  it.each([
    [(response: ServerResponse) => response.writeHead(403).end(), 'responded with status 403'],
    [(response: ServerResponse) => response.end('{}'), 'responded without a token'],
    [(response: ServerResponse) => response.end('<html>'), 'responded without a token'],
    [(response: ServerResponse) => response.destroy(), "can't be reached"],
  ])('reports what is wrong with GitHub’s answer', async (badly, words) => {
    answer = badly;
    expect(await run('ps')).toMatchObject({ code: 125, err: expect.stringContaining(words) });
  });

  it('reports what the job lacks', async () => {
    const { code, err } = await run('ps', { ACTIONS_ID_TOKEN_REQUEST_URL: '' });
    expect([code, err]).toEqual([125, expect.stringContaining('permissions: id-token: write')]);
    expect((await run('ps', { KILN_OIDC: 'gitlab' })).err).toContain(
      'KILN_OIDC: got "gitlab", expected github; elsewhere, set KILN_ID_TOKEN',
    );
  });
});

it('sends KILN_ID_TOKEN unchanged', async () => {
  kiln.token = 'e30.e30.c2ln';
  expect(await run('ps', { KILN_OIDC: '', KILN_ID_TOKEN: 'e30.e30.c2ln' })).toMatchObject({ code: 0 });
  expect(asked).toEqual([]);
});
