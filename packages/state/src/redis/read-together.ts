import type { Redis } from 'ioredis';
import { runScript } from './scripts.ts';

type ReadCommand = readonly [name: string, key: string, ...args: string[]];

/**
 * Runs several reads at one moment. A MULTI isn't used because Redis aborts every transaction while it is out of memory.
 * Returns raw replies: a hash is a list of fields and values.
 */
export async function readTogether<Answers extends readonly unknown[]>(
  redis: Redis,
  ...commands: { readonly [A in keyof Answers]: ReadCommand }
): Promise<Answers> {
  const keys = (commands as readonly ReadCommand[]).map(([, key]) => key);
  return (await runScript(redis, 'read-together', keys, [JSON.stringify(commands)])) as unknown as Answers;
}

/** A hash from a list of its fields and values. */
export function hashOf(flat: readonly string[]): Record<string, string> {
  const hash: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) hash[flat[i] as string] = flat[i + 1] as string;
  return hash;
}
