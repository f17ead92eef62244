import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { InvalidEnvironment, wholeNumber } from './env.ts';

/** Settings that every process of a pool reads. */
export const commonEnv = {
  KILN_REDIS_URL: z
    .string('a Redis URL: redis://, rediss://, unix:// or redis+sentinel://')
    .describe(
      '`redis://[user:password@]host[:port][/db]`, `rediss://…`, `unix:///path` or `redis+sentinel://[user:password@]host:port,host:port/master[/db]`',
    ),
  KILN_REDIS_MIN_REPLICAS: wholeNumber(0, 0).describe(
    'replicas of Redis that must have an acceptance, a cancel, a lease, and the start and end of an attempt before they are acknowledged ([redis.md](redis.md#replication-and-sentinel))',
  ),
  KILN_NAMESPACE: z
    .string()
    .regex(/^[a-z0-9-]{1,32}$/, 'lower-case letters, digits and -, at most 32 long')
    .default('kiln')
    .describe('keeps pools apart on one Redis'),
  KILN_SECRET_KEY: z
    .string()
    .optional()
    .describe(
      'seals secrets: 32 bytes in base64, the same in all processes; several separated by commas: the first seals, all open ([secrets.md](../use/secrets.md#encryption-and-key-rotation))',
    ),
  KILN_SECRET_KEY_FILE: z.string().optional().describe('a file that contains `KILN_SECRET_KEY`, with one key per line'),
  KILN_LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('`trace`, `debug`, `info`, `warn`, `error` or `silent`'),
};

const KEY_BYTES = 32;

/**
 * Reads the keys for sealing secrets from `KILN_SECRET_KEY`, or from the file that `KILN_SECRET_KEY_FILE` names. The first one seals and
 * all of them open, so a new key is added at the front.
 * @throws InvalidEnvironment
 */
export function secretKeys(env: {
  KILN_SECRET_KEY?: string | undefined;
  KILN_SECRET_KEY_FILE?: string | undefined;
}): Buffer[] {
  return parseSecretKeys(valueOrFile('KILN_SECRET_KEY', env.KILN_SECRET_KEY, env.KILN_SECRET_KEY_FILE));
}

/** Parses keys in base64, separated by commas or line ends. Lines that begin with # are ignored. @throws InvalidEnvironment */
export function parseSecretKeys(text: string, name = 'KILN_SECRET_KEY'): Buffer[] {
  const keys = text
    .split('\n')
    .filter((line) => !line.trim().startsWith('#'))
    .flatMap((line) => line.split(','))
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => Buffer.from(part, 'base64'));
  const wrong = keys.findIndex((key) => key.length !== KEY_BYTES);
  if (keys.length > 0 && wrong < 0) return keys;
  const which = keys.length > 1 ? ` for key ${wrong + 1}` : '';
  throw new InvalidEnvironment(
    `${name}: got ${keys[wrong]?.length ?? 0} bytes${which}, expected ${KEY_BYTES} in base64, such as: openssl rand -base64 ${KEY_BYTES}`,
  );
}

/** Formats keys for `parseSecretKeys`. */
export function formatSecretKeys(keys: readonly Buffer[]): string {
  return keys.map((key) => key.toString('base64')).join(',');
}

/**
 * Reads a secret setting: the value of the variable, or the content of the file that `<variable>_FILE` names.
 * @param nameOf as for `readEnv`
 * @throws InvalidEnvironment
 */
export function valueOrFile(
  variable: string,
  value: string | undefined,
  file: string | undefined,
  nameOf: (variable: string) => string = String,
): string {
  const name = nameOf(variable);
  const fileName = nameOf(`${variable}_FILE`);
  if (value !== undefined && file !== undefined) {
    throw new InvalidEnvironment(`${name}: set as well as ${fileName}, expected one of them`);
  }
  if (value !== undefined) return value;
  if (file === undefined)
    throw new InvalidEnvironment(`${name}: got nothing, expected a value, or ${fileName} to name a file with it`);
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new InvalidEnvironment(
      `${fileName}: got ${JSON.stringify(file)}, expected a readable file (${(error as Error).message})`,
    );
  }
}
