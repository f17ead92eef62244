import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadCatalog } from './commands/catalog.ts';
import type { CommandGroup } from './framework/command-group.ts';
import { noteLocalPool } from './server/local-pools.ts';
import { FakeApi } from './testing/fake-api.ts';
import { run, runIn } from './testing/run.ts';
import { TempDir } from './testing/temp-dir.ts';
import { withFakeApi } from './testing/with-fake-api.ts';

const cli = withFakeApi();

describe('kiln', () => {
  it('reads address and token from the file of kiln up, and uses the token only for that address', async () => {
    await using data = await TempDir.with({});
    await using other = await FakeApi.start();
    await writeFile(join(data.path, 'client.json'), JSON.stringify({ url: cli.api.url, token: cli.api.token }));
    const env = { KILN_DATA_DIR: data.path };
    expect(await run('ps', { env })).toMatchObject({ code: 0 });
    const sameMachine = cli.api.url.replace('127.0.0.1', 'localhost');
    expect(await run('ps', { env: { ...env, KILN_URL: sameMachine } })).toMatchObject({ code: 0 });
    expect((await run(`ps --url ${other.url}`, { env })).code).toBe(125);
    expect(other.seen.at(-1)?.headers.authorization).toBeUndefined();
  });

  it('finds a pool with another data directory while it runs, and asks which one if there are several', async () => {
    await using home = await TempDir.with({});
    await using one = await TempDir.with({ 'up.pid': String(process.pid) });
    await using two = await TempDir.with({ 'up.pid': String(process.pid) });
    await writeFile(join(one.path, 'client.json'), JSON.stringify({ url: cli.api.url, token: cli.api.token }));
    await writeFile(join(two.path, 'client.json'), JSON.stringify({ url: 'http://127.0.0.1:1', token: 'x' }));
    const env = { HOME: home.path };
    expect((await run('ps', { env })).err).toContain('no server configured');
    await using _first = await noteLocalPool(env, one.path);
    expect(await run('ps', { env })).toMatchObject({ code: 0 });
    {
      await using _second = await noteLocalPool(env, two.path);
      const { code, err } = await run('ps', { env });
      expect(code).toBe(125);
      expect(err).toContain('kiln: several pools run on this machine; choose one with KILN_URL or --url:\n');
      expect(err).toContain(`  KILN_URL=${cli.api.url}  (${one.path})\n`);
      expect(await run('ps', { env: { ...env, KILN_URL: cli.api.url } })).toMatchObject({ code: 0 });
    }
    expect(await run('ps', { env })).toMatchObject({ code: 0 });
    // What a killed process has left.
    await writeFile(join(one.path, 'up.pid'), '999999999');
    expect((await run('ps', { env })).err).toContain('no server configured');
  });

  it('prints no stack trace of an unexpected error, unless KILN_DEBUG is set', async () => {
    const failing = (env: Record<string, string>) => {
      const at = cli.io({ env });
      return runIn(
        {
          ...at,
          now: () => {
            throw new Error('the clock is broken');
          },
        },
        'ps -a',
      );
    };
    expect(await failing({})).toEqual({
      code: 125,
      out: '',
      err: 'kiln: unexpected error: the clock is broken\nKILN_DEBUG=1 shows where it happened, for a bug report.\n',
    });
    expect((await failing({ KILN_DEBUG: '1' })).err).toMatch(/^kiln: Error: the clock is broken\n {4}at /);
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
      'kiln: unknown flag: --jsno; did you mean --json?\nSee `kiln ps --help`.\n',
    );
  });
});

describe('the help of every command', () => {
  it('has examples that begin with the command', async () => {
    for (const { commands } of await loadCatalog()) {
      for (const [name, command] of Object.entries(commands)) {
        const subs = 'commands' in command ? Object.entries((command as CommandGroup).commands) : [];
        const all =
          subs.length > 0 ? subs.map(([sub, one]) => [`${name} ${sub}`, one] as const) : [[name, command] as const];
        for (const [words, { help }] of all) {
          const examples = help.sections.find(({ title }) => title === 'Examples');
          const text = examples && 'lines' in examples ? examples.lines.join('\n') : '';
          expect(text, `kiln ${words} --help`).toContain(`kiln ${words}`);
        }
      }
    }
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
