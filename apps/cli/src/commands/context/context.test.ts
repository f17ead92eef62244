import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeApi } from '../../testing/fake-api.ts';
import { run } from '../../testing/run.ts';
import { TempDir } from '../../testing/temp-dir.ts';

let home: TempDir;
let staging: FakeApi;
let prod: FakeApi;
beforeEach(async () => {
  home = await TempDir.with({});
  [staging, prod] = [await FakeApi.start(), await FakeApi.start()];
  staging.token = 'of-staging';
  prod.token = 'of-prod';
});
afterEach(async () => {
  await home[Symbol.asyncDispose]();
  await staging[Symbol.asyncDispose]();
  await prod[Symbol.asyncDispose]();
});

const file = () => join(home.path, '.config/kiln/contexts.json');
const kiln = (line: string, env: Record<string, string> = {}, stdin = '') =>
  run(line, { env: { HOME: home.path, NO_COLOR: '1', ...env }, stdin: Buffer.from(stdin) });

/** Adds the contexts `staging`, with its token, and `prod`, which is in use. */
async function addBoth(): Promise<void> {
  expect(await kiln(`context add --token-stdin staging ${staging.url}`, {}, 'of-staging\n')).toMatchObject({ code: 0 });
  expect(await kiln(`context add --token-stdin --use prod ${prod.url}`, {}, 'of-prod\n')).toMatchObject({ code: 0 });
}

describe('kiln context', () => {
  it('chooses among several pools by name', async () => {
    await addBoth();
    const listed = (await kiln('context ls')).out.replace(/ +/g, ' ');
    expect(listed).toBe(` CONTEXT URL LOGIN\n* prod ${prod.url} yes\n staging ${staging.url} yes\n`);
    expect(await kiln('ps')).toMatchObject({ code: 0 });
    expect(prod.seen.length).toBeGreaterThan(0);
    expect(staging.seen).toEqual([]);
    expect(await kiln('context use staging')).toMatchObject({ code: 0, err: 'Using context staging\n' });
    expect(await kiln('ps')).toMatchObject({ code: 0 });
    expect(staging.seen.length).toBeGreaterThan(0);
    expect((await kiln('context show -o name')).out).toBe('staging\n');
  });

  it('keeps tokens in a file that only its owner can read, and shows none of them', async () => {
    await addBoth();
    expect((await stat(file())).mode & 0o777).toBe(0o600);
    expect((await stat(join(file(), '..'))).mode & 0o777).toBe(0o700);
    // A file that others can read becomes private with the next change.
    await writeFile(file(), await readFile(file()), { mode: 0o644 });
    await kiln('context use prod');
    expect((await stat(file())).mode & 0o777).toBe(0o600);
    for (const line of ['context ls -o json', 'context show -o yaml', 'context show prod']) {
      const { code, out, err } = await kiln(line);
      expect([code, out + err]).toEqual([0, expect.not.stringMatching(/of-(?:prod|staging)/)]);
    }
  });

  it('is overridden by --context, KILN_CONTEXT, and KILN_URL with KILN_TOKEN', async () => {
    await addBoth();
    const usesStaging = async (line: string, env: Record<string, string> = {}) => {
      [staging, prod].forEach(({ seen }) => void seen.splice(0));
      expect(await kiln(line, env)).toMatchObject({ code: 0 });
      expect(prod.seen).toEqual([]);
      expect(staging.seen.length).toBeGreaterThan(0);
    };
    await usesStaging('ps --context staging');
    await usesStaging('ps', { KILN_CONTEXT: 'staging' });
    await usesStaging('ps', { KILN_URL: staging.url, KILN_TOKEN: 'of-staging' });
    // The token of the context with that address.
    await usesStaging('ps', { KILN_URL: staging.url });
    await usesStaging(`ps --url ${staging.url}`, { KILN_CONTEXT: 'prod' });
    // KILN_TOKEN belongs to KILN_URL, which --context overrides.
    await usesStaging('ps --context staging', { KILN_URL: prod.url, KILN_TOKEN: 'of-prod' });
    expect(staging.seen.every(({ headers }) => headers.authorization === 'Bearer of-staging')).toBe(true);
  });

  it('uses the pool of kiln up if none is in use, and by the name local', async () => {
    await addBoth();
    const client = { url: staging.url, token: staging.token };
    const data = join(home.path, '.local/share/kiln');
    await using up = await TempDir.with({ 'client.json': JSON.stringify(client) });
    expect(await kiln('ps', { KILN_DATA_DIR: up.path })).toMatchObject({ code: 0 });
    expect(prod.seen).toEqual([]);
    expect((await kiln('context use local')).code).toBe(0);
    expect((await kiln('ps')).err).toContain(`no server configured: log in with \`kiln login URL\``);
    expect((await kiln('ps')).err).toContain(join(data, 'client.json'));
    expect((await kiln('ps --context local', { KILN_DATA_DIR: up.path })).code).toBe(0);
    expect((await kiln('context ls -o name', { KILN_DATA_DIR: up.path })).out).toBe('local\nprod\nstaging\n');
  });

  it('removes contexts, and the choice of the one in use with it', async () => {
    await addBoth();
    expect(await kiln('context rm prod')).toMatchObject({ code: 0, err: 'Removed context prod\n' });
    expect((await kiln('context ls -o name')).out).toBe('staging\n');
    expect((await kiln('ps')).err).toContain('no server configured');
    expect(await readFile(file(), 'utf8')).not.toContain('of-prod');
  });

  it.each([
    ['context use nowhere', 'NAME: got "nowhere", expected one of prod, staging'],
    ['ps --context nowhere', '--context: got "nowhere", expected one of prod, staging'],
    ['ps --context prod --url http://x', '--url and --context cannot be combined'],
    ['context add a/b http://x', 'name of the context: got "a/b"'],
    ['context add local http://x', 'the context local is the pool of kiln up'],
    ['context add x ftp://x', 'got "ftp://x", expected the address of a Kiln'],
    ['context rm prod nowhere', 'NAME: got "nowhere"'],
  ])('refuses %s and changes nothing', async (line, words) => {
    await addBoth();
    const before = await readFile(file(), 'utf8');
    expect(await kiln(line)).toMatchObject({ code: 125, out: '', err: expect.stringContaining(words) });
    expect(await readFile(file(), 'utf8')).toBe(before);
  });

  it('names the file of contexts if it is damaged', async () => {
    await addBoth();
    await writeFile(file(), '{"contexts": {"a": {}}}');
    expect(await kiln('ps')).toMatchObject({
      code: 125,
      err: expect.stringContaining(`${file()}: expected {"current"`),
    });
  });
});
