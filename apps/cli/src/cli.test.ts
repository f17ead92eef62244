import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { run } from './testing/run.ts';
import { TempDir } from './testing/temp-dir.ts';
import { withFakeApi } from './testing/with-fake-api.ts';

const cli = withFakeApi();

describe('kiln', () => {
  it('reads address and token from the file of kiln up, and uses the token only for that address', async () => {
    await using data = await TempDir.with({});
    await writeFile(join(data.path, 'client.json'), JSON.stringify({ url: cli.api.url, token: cli.api.token }));
    const env = { KILN_DATA_DIR: data.path };
    expect((await run('ps', { env })).code).toBe(0);
    expect((await run(`ps --url ${cli.api.url}`, { env })).code).toBe(125);
    expect(cli.api.seen.at(-1)?.headers.authorization).toBeUndefined();
  });

  it.each([
    ['help', 0, 'git-token '],
    ['help schedule create', 0, '--cron TIMES'],
    ['schedule create -h', 0, '--cron TIMES'],
    ['help build', 0, 'Exit codes:'],
    ['build --help', 0, '-t, --tag NAME'],
    ['logs -h', 0, 'kiln logs [FLAGS] ID'],
    ['', 125, 'Usage: kiln COMMAND'],
  ])('prints help for %s', async (line, code, text) => {
    expect(await run(line === '' ? [] : line)).toMatchObject({ code, out: expect.stringContaining(text) });
  });

  it('suggests the command or flag that was meant', async () => {
    expect(await run('biuld')).toMatchObject({
      code: 125,
      err: 'kiln: no command "biuld"; did you mean build?\n',
    });
    expect((await run('ps --jsno')).err).toBe(
      'kiln: unknown flag --jsno; did you mean --json?\nSee `kiln ps --help`.\n',
    );
  });
});

describe('kiln help --markdown', () => {
  const committed = fileURLToPath(new URL('../../../docs/use/cli.md', import.meta.url));

  it('prints the reference that is committed in docs/use/cli.md', async () => {
    const { code, out } = await run('help --markdown');
    expect(code).toBe(0);
    expect(out === (await readFile(committed, 'utf8')), 'docs/use/cli.md is stale; renew it with: npm run docs').toBe(
      true,
    );
  });
});
