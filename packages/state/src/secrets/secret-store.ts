import { isMasked, type SecretIdentity, type SecretInfo } from '@kiln/domain';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';
import { TooManySecrets } from './errors.ts';
import type { Sealer } from './sealer.ts';
import { hiddenPart, type SecretContent, sealContext } from './secret-content.ts';

/** A stored secret without its value. Times in ms since the epoch. */
export interface StoredSecret extends SecretInfo {
  /** Whether logs hide the value. */
  readonly masked: boolean;
  readonly keyId: string;
  readonly updatedAt: number;
  /** Name of the principal that set the value. */
  readonly updatedBy: string;
  /** When a build last got it, to about a minute. */
  readonly usedAt?: number;
}

export type NewSecret = Omit<SecretInfo, 'kind'> & { readonly content: SecretContent; readonly updatedBy: string };

const MAX_PER_TEAM = 1_000;

export interface SecretStoreOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly sealer: Sealer;
  readonly now: () => number;
  /** Default 1000. */
  readonly maxOfATeam?: number;
}

/** Stored secrets of teams. Only `BuildSecretReader` reads their values, for running builds. */
export class SecretStore {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #sealer: Sealer;
  readonly #now: () => number;
  readonly #maxOfATeam: number;

  constructor({ redis, keys, sealer, now, maxOfATeam = MAX_PER_TEAM }: SecretStoreOptions) {
    this.#redis = redis;
    this.#keys = keys;
    this.#sealer = sealer;
    this.#now = now;
    this.#maxOfATeam = maxOfATeam;
  }

  /** Stores a secret, replacing one with the same identity. @throws TooManySecrets */
  async set({ content, updatedBy, ...info }: NewSecret): Promise<{ secret: StoredSecret; isNew: boolean }> {
    const { kind } = content;
    const masked = isMasked(hiddenPart(content));
    const { keyId } = this.#sealer;
    const secret: StoredSecret = { ...info, kind, masked, keyId, updatedAt: this.#now(), updatedBy };
    const code = Number(
      await runScript(
        this.#redis,
        'set-secret',
        [...this.#keysOf(secret.team), this.#keys.secretTeams()],
        [
          fieldOf(secret),
          JSON.stringify(secret),
          this.#sealer.seal(JSON.stringify(content), sealContext(secret)),
          secret.team,
          this.#maxOfATeam,
        ],
      ),
    );
    if (code < 0) throw new TooManySecrets(this.#maxOfATeam);
    return { secret, isNew: code === 1 };
  }

  /** The secrets of one team, or of all, in the order of `inOrder`. */
  async list(team?: string): Promise<StoredSecret[]> {
    const teams = team === undefined ? await this.#redis.smembers(this.#keys.secretTeams()) : [team];
    const all = await Promise.all(
      teams.map(async (each) => {
        const [docs, , uses] = this.#keysOf(each);
        const [found, used] = await Promise.all([this.#redis.hgetall(docs), this.#redis.hgetall(uses)]);
        return Object.entries(found).map(([field, doc]) => parseSecret(doc, used[field]));
      }),
    );
    return all.flat().sort(inOrder);
  }

  /** Removes a secret and returns it; undefined if there is none. */
  async remove(identity: SecretIdentity): Promise<StoredSecret | undefined> {
    const answer = await runScript(
      this.#redis,
      'remove-secret',
      [...this.#keysOf(identity.team), this.#keys.secretTeams()],
      [fieldOf(identity), identity.team],
    );
    const [doc, used] = (answer ?? []) as [string?, (string | null)?];
    return doc === undefined ? undefined : parseSecret(doc, used);
  }

  /** Whether this process has the key that the value is sealed with. */
  isReadable({ keyId }: StoredSecret): boolean {
    return this.#sealer.knows(keyId);
  }

  #keysOf(team: string): [docs: string, values: string, uses: string] {
    return [this.#keys.teamSecrets(team), this.#keys.teamSecretValues(team), this.#keys.teamSecretUses(team)];
  }
}

/** The secret's field in the hashes of its team. None of the parts contains a space. */
export function fieldOf({ kind, repo = '', name }: SecretIdentity): string {
  return `${kind} ${repo} ${name}`;
}

export function parseSecret(doc: string, usedAt?: string | null): StoredSecret {
  const secret = JSON.parse(doc) as StoredSecret;
  return usedAt ? { ...secret, usedAt: Number(usedAt) } : secret;
}

/** Opens the value of a secret. @throws SealBroken */
export function openSecret(sealer: Sealer, secret: SecretInfo, sealed: string): SecretContent {
  return JSON.parse(sealer.open(sealed, sealContext(secret))) as SecretContent;
}

/** Compares by team, repo, kind and name. */
export function inOrder(a: StoredSecret, b: StoredSecret): number {
  const [left, right] = [a, b].map((each) => `${each.team}\0${each.repo ?? ''}\0${each.kind}\0${each.name}`);
  return left === right ? 0 : (left ?? '') < (right ?? '') ? -1 : 1;
}
