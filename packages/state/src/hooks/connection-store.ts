import type { ConnectedRepository, ForgeName } from '@kiln/contracts';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import type { Sealer } from '../secrets/sealer.ts';
import type { PreviousSecret } from './previous-secret.ts';

/** The secrets of a connection, which are stored sealed. */
export interface ConnectionSecrets {
  readonly webhook: string;
  /** The webhook secret before the last rotation. */
  readonly previousWebhook?: PreviousSecret;
  readonly api?: string;
  readonly git?: string;
  /** A GitHub App that makes tokens where `api` or `git` is missing. */
  readonly app?: { readonly appId: string; readonly privateKey: string };
}

/** A connection to a forge. Times in ms since the epoch. */
export interface StoredConnection {
  readonly name: string;
  readonly forge: ForgeName;
  readonly team: string;
  readonly url: string;
  readonly apiUrl: string;
  readonly repositories: readonly ConnectedRepository[];
  readonly checks: boolean;
  readonly gitUser: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly secrets: ConnectionSecrets;
}

/** Connections to forges, set up by operators. They are few, and always read from Redis, so a removed one stops working at once. */
export class ConnectionStore {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #sealer: Sealer;

  constructor(redis: Redis, keys: Keys, sealer: Sealer) {
    this.#redis = redis;
    this.#keys = keys;
    this.#sealer = sealer;
  }

  /** Stores a connection, replacing one of the same name. */
  async put({ secrets, ...connection }: StoredConnection): Promise<void> {
    const sealed = this.#sealer.seal(JSON.stringify(secrets), contextOf(connection.name));
    await this.#redis.hset(this.#keys.connections(), connection.name, JSON.stringify({ ...connection, sealed }));
  }

  /** @throws SealBroken */
  async get(name: string): Promise<StoredConnection | undefined> {
    const doc = await this.#redis.hget(this.#keys.connections(), name);
    return doc === null ? undefined : this.#parse(doc);
  }

  /** Reads all connections, sorted by name. @throws SealBroken */
  async list(): Promise<StoredConnection[]> {
    const docs = Object.values(await this.#redis.hgetall(this.#keys.connections()));
    return docs.map((doc) => this.#parse(doc)).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Removes a connection. Returns whether there was one. */
  async remove(name: string): Promise<boolean> {
    return (await this.#redis.hdel(this.#keys.connections(), name)) === 1;
  }

  #parse(doc: string): StoredConnection {
    const { sealed, ...connection } = JSON.parse(doc) as Omit<StoredConnection, 'secrets'> & {
      readonly sealed: string;
    };
    const secrets = JSON.parse(this.#sealer.open(sealed, contextOf(connection.name))) as ConnectionSecrets;
    return { ...connection, secrets };
  }
}

/** The seal context of a connection's secrets. */
export function contextOf(name: string): string {
  return `connection:${name}`;
}
