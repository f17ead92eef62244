import type { Failure, Trust } from '@kiln/domain';
import type { Redis } from 'ioredis';
import { test as base } from 'vitest';
import { connectRedis } from '../redis/connect.ts';
import { createKeys, type Keys } from '../redis/keys.ts';
import { Resealer } from '../reseal.ts';
import { BuildSecretReader, type TeamWantedSecrets } from '../secrets/build-secrets.ts';
import { SecretsUnavailable } from '../secrets/errors.ts';
import { Sealer } from '../secrets/sealer.ts';
import type { SecretContent } from '../secrets/secret-content.ts';
import { type NewSecret, SecretStore } from '../secrets/secret-store.ts';
import { TestRedis } from './test-redis.ts';

export const [OLD_KEY, NEW_KEY] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)] as const;
/** The repo that builds are of. */
export const APP = 'git.example/acme/app';
export const VALUE: SecretContent = { kind: 'build', value: 'hunter22' };
export const LOGIN: SecretContent = { kind: 'registry', username: 'u', password: 'pass-4711' };

/** One process's access to the secrets. */
export interface VaultProcess {
  readonly sealer: Sealer;
  readonly store: SecretStore;
  readonly reader: BuildSecretReader;
  readonly resealer: Resealer;
}

/** Stored secrets of teams, in a Redis of the test file. */
export class SecretVault {
  readonly url: string;
  readonly redis: Redis;
  readonly keys: Keys = createKeys('secrets');
  /** The time of every process, ms since the epoch. */
  now = 1_000_000;

  constructor(url: string) {
    this.url = url;
    this.redis = connectRedis(url, () => {});
  }

  /** A process with these keys; the first one seals. */
  process(...secretKeys: Buffer[]): VaultProcess {
    const { redis, keys } = this;
    const sealer = new Sealer(secretKeys);
    const now = () => this.now;
    return {
      sealer,
      store: new SecretStore({ redis, keys, sealer, now, maxOfATeam: 10 }),
      reader: new BuildSecretReader(redis, keys, sealer, now),
      resealer: new Resealer(redis, keys, sealer),
    };
  }
}

/** A secret of team `web`. */
export function newSecret(name: string, content: SecretContent = VALUE, more: Partial<NewSecret> = {}): NewSecret {
  return { team: 'web', name, untrustedOk: false, content, updatedBy: 'ada', ...more };
}

/** What a build of team `web` and repo `APP` asks for: secrets by name, under their names in lower case. */
export function wanted(names: readonly string[] = [], trust: Trust = 'trusted'): TeamWantedSecrets {
  return { team: 'web', repo: APP, trust, named: names.map((name) => ({ id: name.toLowerCase(), name })) };
}

/** The failure with which reading is refused. */
export async function failureOf(reading: Promise<unknown>): Promise<Failure> {
  const error = await reading.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof SecretsUnavailable) return error.failure;
  throw error ?? new Error('there was no failure');
}

/** A test with an empty vault, in the file's Redis. */
export const test = base.extend<{ server: TestRedis; vault: SecretVault }>({
  server: [
    // biome-ignore lint/correctness/noEmptyPattern: vitest reads a fixture's needs from this pattern
    async ({}, use) => {
      await using server = await TestRedis.start();
      await use(server);
    },
    { scope: 'file' },
  ],
  vault: async ({ server }, use) => {
    const vault = new SecretVault(server.url);
    await vault.redis.flushall();
    await use(vault);
    vault.redis.disconnect();
  },
});
