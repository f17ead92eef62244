import { glob, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { TestPool } from '../testing/test-pool.ts';
import { TestRedis } from '../testing/test-redis.ts';
import { createKeys, KEY_GROUPS } from './keys.ts';
import { KEYS_PAGE, keysPage } from './keys-page.ts';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const SPECS = Object.values(KEY_GROUPS).flatMap((group) => Object.values(group));

const TYPES: Readonly<Record<string, string>> = {
  ...{ string: 'string', hash: 'hash', set: 'set', zset: 'sorted set', stream: 'stream' },
};
/** What a script may put in the place of an argument: `*` is any value, a subject has its kind before it. */
const ARGUMENT = '(?:[a-z]+|(?:(?:team|token):)?\\*)';

/** What an operand of `..` contributes to a key; logs are `<id>:<attempt>`. */
function piece(_: string, literal: string | undefined, variable = ''): string {
  return literal ?? (variable.startsWith('log') ? '*:*' : '*');
}

/** Matches the keys of a pattern; a subject is `team:<name>` or `token:<id>`. */
function matcher(pattern: string): RegExp {
  return new RegExp(`^${pattern.replace('<subject>', '(?:team|token):[^:]+').replace(/<[^>]*>/g, '[^:]+')}$`);
}

/** A pattern with every argument as `*`. */
const blank = (pattern: string) => pattern.replace(/<[^>]*>/g, '*');

async function sources(pattern: string): Promise<{ file: string; text: string }[]> {
  const files: string[] = [];
  for await (const file of glob(pattern, { cwd: ROOT, exclude: (name) => name === 'node_modules' })) files.push(file);
  return await Promise.all(files.map(async (file) => ({ file, text: await readFile(`${ROOT}${file}`, 'utf8') })));
}

describe('keys', () => {
  test('are the prefix and the pattern with its arguments, or their digests', () => {
    const keys = createKeys('p');
    expect(keys.pending()).toBe('{p}:pending');
    expect(keys.log('b1', 2)).toBe('{p}:log:b1:2');
    expect(keys.logPieces('b1', 2)).toBe('{p}:log:b1:2:pieces');
    expect(keys.indexRepo('a repo')).toMatch(/^\{p\}:idx:repo:[\w-]{27}$/);
  });

  test('have patterns that differ', () => {
    const patterns = SPECS.map(({ pattern }) => blank(pattern));
    expect(new Set(patterns).size).toBe(patterns.length);
  });

  test('are described by a current docs/develop/redis-keys.md', async () => {
    const page = await readFile(KEYS_PAGE, 'utf8').catch(() => '');
    expect(page, 'docs/develop/redis-keys.md is outdated: run npm run docs').toBe(keysPage());
  });

  test('are made by keys.ts alone, not put together from its keys', async () => {
    const found: string[] = [];
    for (const { file, text } of await sources('{packages,apps}/*/src/**/*.ts')) {
      if (file.endsWith('.test.ts') || file.includes('/testing/')) continue;
      const joined = text.matchAll(/\$\{[^}]*\b#?keys\.[^}]*\}|\b#?keys\.\w+(?:\([^()]*\))? \+/g);
      found.push(...[...joined].map(([made]) => `${file}: ${made}`));
    }
    expect(found).toEqual([]);
  });

  test('that Lua scripts make follow the patterns', async () => {
    const patterns = SPECS.map(({ pattern }) => new RegExp(`^${blank(pattern).replaceAll('*', ARGUMENT)}$`));
    const suffixes = new Set(SPECS.map(({ pattern }) => blank(pattern).split(':').at(-1)));
    const found: string[] = [];
    let seen = 0;
    for (const { file, text } of await sources('packages/state/src/lua/**/*.lua')) {
      const made = text.matchAll(/(?:prefix|ARGV\[1\])((?: \.\. (?:'[^']*'|[\w.]+(?:\[[\w +]+\])?))+)/g);
      const names = [...made].map(([, rest = '']) =>
        rest.replace(/ \.\. (?:'([^']*)'|([\w.]+(?:\[[\w +]+\])?))/g, piece),
      );
      const wrong = names.filter((name) => !patterns.some((pattern) => pattern.test(name)));
      const added = [...text.matchAll(/(?:\bkey|KEYS\[\d\]) \.\. ':([^']*)'/g)].map(([, suffix = '']) => suffix);
      wrong.push(...added.filter((suffix) => !suffixes.has(suffix)).map((suffix) => `…:${suffix}`));
      found.push(...wrong.map((name) => `${file}: ${name}`));
      seen += names.length + added.length;
    }
    expect(found).toEqual([]);
    expect(seen).toBeGreaterThan(50);
  });

  test('of a pool in use are all in the catalogue, with their types and expiries', async () => {
    await using redis = await TestRedis.start();
    await using pool = await TestPool.open(redis.url, 'in-use');
    const { state } = pool;
    const keyed = { concurrencyKey: 'main', supersede: 'queued' } as const;
    const { id } = await pool.submit({ secrets: { A: 'b' }, dedupe: true, ...keyed });
    await pool.submit({ secrets: { A: 'b' }, dedupe: true, ...keyed });
    const ref = await pool.run(id);
    await state.logs.append(ref, 1, ['{"type":"note","text":"a"}']);
    await state.limits.change({ kind: 'team', name: 'web' }, { concurrentBuilds: 2 });
    await state.modeDefaults.set('web', { repo: 'app', mode: 'archive', setAt: 1, setBy: 'me' });
    await state.rates.take({ kind: 'team', name: 'web' }, 10);
    await state.storage.charge('logs/x', 10, [{ team: 'web' }]);
    await state.audit.append({ actor: { kind: 'anonymous' }, outcome: 'refused' } as never);
    await state.contextTeams.grant('abc', 'web', 1_000_000);
    const found: string[] = [];
    const check = async () => {
      for (const key of await state.redis.keys('*')) {
        const name = key.slice(state.keys.prefix.length);
        const specs = SPECS.filter(({ pattern }) => matcher(pattern).test(name));
        const spec = specs.find(({ pattern }) => pattern === name) ?? specs.at(-1);
        if (!spec) found.push(`${name} is missing`);
        else if (spec.type !== TYPES[await state.redis.type(key)]) found.push(`${name} is of another type`);
        else if (spec.expires === undefined && (await state.redis.pttl(key)) >= 0) found.push(`${name} expires`);
      }
    };
    await check();
    await pool.settle(ref, { end: 'succeeded' });
    await check();
    expect(found).toEqual([]);
  });
});
