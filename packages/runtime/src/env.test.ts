import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { commonEnv, formatSecretKeys, parseSecretKeys, secretKeys, valueOrFile } from './common-env.ts';
import { InvalidEnvironment, readEnv, wholeNumber } from './env.ts';

const schema = z.object({ ...commonEnv, KILN_SLOTS: wholeNumber(1, 2) });
const KEY = Buffer.alloc(32, 7).toString('base64');

describe('readEnv', () => {
  test('uses defaults for absent variables, and counts empty ones as absent', () => {
    expect(readEnv(schema, { KILN_REDIS_URL: 'redis://x', KILN_SLOTS: '', KILN_LOG_LEVEL: 'warn' })).toMatchObject({
      KILN_REDIS_URL: 'redis://x',
      KILN_SLOTS: 2,
      KILN_NAMESPACE: 'kiln',
      KILN_LOG_LEVEL: 'warn',
    });
  });

  test.each([
    [{ KILN_REDIS_URL: 'r', KILN_SLOTS: '0' }, 'KILN_SLOTS: got "0", expected a whole number of at least 1'],
    [{ KILN_REDIS_URL: 'r', KILN_SLOTS: 'many' }, 'KILN_SLOTS: got "many", expected a whole number'],
    [{}, 'KILN_REDIS_URL: got nothing, expected a Redis URL'],
  ])('refuses %o with the variable, what was got and what was expected', (env, words) => {
    expect(() => readEnv(schema, env)).toThrow(InvalidEnvironment);
    expect(() => readEnv(schema, env)).toThrow(words);
  });

  test('doesn’t show secret values', () => {
    const strict = z.object({ KILN_TOKEN: z.string().max(3, 'at most 3 characters') });
    expect(() => readEnv(strict, { KILN_TOKEN: 'hunter2' })).toThrow(/not shown/);
    expect(() => readEnv(strict, { KILN_TOKEN: 'hunter2' })).not.toThrow(/hunter2/);
  });
});

describe('secrets from the environment', () => {
  test('a key of 32 bytes in base64 is read from its variable or from a file', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'kiln-env-'));
    await writeFile(join(dir, 'key'), `${KEY}\n`);
    expect(secretKeys({ KILN_SECRET_KEY: KEY })).toEqual([Buffer.alloc(32, 7)]);
    expect(secretKeys({ KILN_SECRET_KEY_FILE: join(dir, 'key') })).toEqual([Buffer.alloc(32, 7)]);
    await rm(dir, { recursive: true });
  });

  test.each([
    [{ KILN_SECRET_KEY: 'short' }, /got 3 bytes, expected 32 in base64/],
    [{ KILN_SECRET_KEY: '# none' }, /got 0 bytes, expected 32/],
    [{}, /expected a value, or KILN_SECRET_KEY_FILE/],
    [{ KILN_SECRET_KEY: KEY, KILN_SECRET_KEY_FILE: '/x' }, /expected one of them/],
    [{ KILN_SECRET_KEY_FILE: '/nowhere/at/all' }, /expected a readable file/],
  ])('%o is refused', (env, words) => {
    expect(() => secretKeys(env)).toThrow(words);
  });

  test('several keys are read from a list, or from lines with comments, in their order', () => {
    const keys = [Buffer.alloc(32, 9), Buffer.alloc(32, 7)];
    const [newer, older] = keys.map((key) => key.toString('base64'));
    expect(parseSecretKeys(`${newer}, ${older}`)).toEqual(keys);
    expect(parseSecretKeys(`# since May\n${newer}\n\n# to be dropped\n${older}\n`)).toEqual(keys);
    expect(parseSecretKeys(formatSecretKeys(keys))).toEqual(keys);
    expect(() => parseSecretKeys(`${newer},short`)).toThrow('got 3 bytes for key 2, expected 32');
  });

  test('valueOrFile returns a value that is given', () => {
    expect(valueOrFile('X', 'v', undefined)).toBe('v');
  });
});
