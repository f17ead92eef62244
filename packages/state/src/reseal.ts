import type { Redis } from 'ioredis';
import { loginContext } from './builds/accept.ts';
import { contextOf as connectionContext } from './hooks/connection-store.ts';
import { contextOf as webhookContext } from './hooks/webhook-store.ts';
import type { Keys } from './redis/keys.ts';
import { runScript } from './redis/scripts.ts';
import { sealContext as scheduleContext } from './schedules/schedule-store.ts';
import { keyIdOf, SealBroken, type Sealer } from './secrets/sealer.ts';
import { sealContext } from './secrets/secret-content.ts';
import { fieldOf, parseSecret, type StoredSecret } from './secrets/secret-store.ts';

export interface ResealCounts {
  /** Resealed with the first key. */
  readonly resealed: number;
  /** Already sealed with the first key. */
  readonly current: number;
}

export interface Unreadable {
  readonly secret: StoredSecret;
  /** Why it can't be opened, as the end of a sentence. */
  readonly reason: string;
}

/** The result of a run. Secrets that can't be opened were left unchanged. */
export interface Resealing {
  readonly keyId: string;
  readonly stored: ResealCounts & { readonly unreadable: readonly Unreadable[] };
  /** Secrets and logins of builds, and secrets of schedules, connections and webhooks. */
  readonly builds: ResealCounts & { readonly unreadable: number };
}

interface Counts {
  resealed: number;
  current: number;
  unreadable: number;
}

const PAGE = 200;
/** `previousSealed`: a webhook's secret before its last rotation. */
const SEALED_FIELDS = ['sealed', 'previousSealed'] as const;
type SealedDoc = { readonly [name in (typeof SEALED_FIELDS)[number]]?: string };

/**
 * Reseals with the first key what is sealed with another one. Several processes may do so at once, even with different first keys: a
 * value is replaced only if it is still the one that was opened.
 */
export class Resealer {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #sealer: Sealer;

  constructor(redis: Redis, keys: Keys, sealer: Sealer) {
    this.#redis = redis;
    this.#keys = keys;
    this.#sealer = sealer;
  }

  /** @param options `isThorough` also opens what is sealed with the first key, to check it */
  async run({ isThorough = false, signal }: { isThorough?: boolean; signal?: AbortSignal } = {}): Promise<Resealing> {
    const stored = { resealed: 0, current: 0, unreadable: [] as Unreadable[] };
    for (const team of (await this.#redis.smembers(this.#keys.secretTeams())).sort()) {
      for (const doc of await this.#redis.hvals(this.#keys.teamSecrets(team))) {
        signal?.throwIfAborted();
        const secret = parseSecret(doc);
        if (secret.keyId === this.#sealer.keyId && !isThorough) stored.current++;
        else await this.#resealStored(secret, stored);
      }
    }
    const builds = { resealed: 0, current: 0, unreadable: 0 };
    await this.#resealBuilds(builds, isThorough, signal);
    await this.#resealDocs(this.#keys.schedules(), scheduleContext, builds, isThorough);
    await this.#resealDocs(this.#keys.connections(), connectionContext, builds, isThorough);
    await this.#resealDocs(this.#keys.webhooks(), webhookContext, builds, isThorough);
    return { keyId: this.#sealer.keyId, stored, builds };
  }

  async #resealStored(
    secret: StoredSecret,
    counts: { resealed: number; current: number; unreadable: Unreadable[] },
  ): Promise<void> {
    const [docs, values] = [this.#keys.teamSecrets(secret.team), this.#keys.teamSecretValues(secret.team)];
    const field = fieldOf(secret);
    const sealed = await this.#redis.hget(values, field);
    // Removed meanwhile.
    if (sealed === null) return;
    const resealed = this.#sealAgain(sealed, sealContext(secret));
    if (resealed instanceof SealBroken) {
      // The secret was set again meanwhile, and sealed with a current key.
      if ((await this.#redis.hget(docs, field)) !== JSON.stringify(secret)) return;
      counts.unreadable.push({ secret, reason: resealed.message });
    } else if (resealed === undefined) counts.current++;
    else {
      const doc = JSON.stringify({ ...secret, keyId: this.#sealer.keyId } satisfies StoredSecret);
      counts.resealed += Number(
        await runScript(this.#redis, 'reseal-secret', [docs, values], [field, sealed, resealed, doc]),
      );
    }
  }

  async #resealBuilds(counts: Counts, isThorough: boolean, signal: AbortSignal | undefined): Promise<void> {
    for await (const ids of this.#buildIds()) {
      signal?.throwIfAborted();
      const values = ids.flatMap((id) => [
        { key: this.#keys.secrets(id), context: id },
        { key: this.#keys.logins(id), context: loginContext(id) },
      ]);
      const sealed = await this.#redis.mget(values.map(({ key }) => key));
      for (const [i, { key, context }] of values.entries()) {
        const text = sealed[i];
        if (!text) continue;
        await this.#reseal(text, context, counts, isThorough, (resealed) =>
          runScript(this.#redis, 'reseal-build', [key], [text, resealed]),
        );
      }
    }
  }

  /** Reseals the sealed fields of documents in a hash, one after another. */
  async #resealDocs(
    key: string,
    contextOf: (field: string) => string,
    counts: Counts,
    isThorough: boolean,
  ): Promise<void> {
    for (const [field, doc] of Object.entries(await this.#redis.hgetall(key))) {
      let current = doc;
      for (const name of SEALED_FIELDS) {
        const sealed = (JSON.parse(doc) as SealedDoc)[name];
        if (!sealed) continue;
        await this.#reseal(sealed, contextOf(field), counts, isThorough, async (resealed) => {
          const next = JSON.stringify({ ...(JSON.parse(current) as SealedDoc), [name]: resealed });
          const replaced = await runScript(this.#redis, 'reseal-doc', [key], [field, current, next]);
          if (Number(replaced) === 1) current = next;
          return replaced;
        });
      }
    }
  }

  async #reseal(
    sealed: string,
    context: string,
    counts: Counts,
    isThorough: boolean,
    replace: (resealed: string) => Promise<unknown>,
  ): Promise<void> {
    const isCurrent = keyIdOf(sealed) === this.#sealer.keyId && !isThorough;
    const resealed = isCurrent ? undefined : this.#sealAgain(sealed, context);
    if (resealed instanceof SealBroken) counts.unreadable++;
    else if (resealed === undefined) counts.current++;
    else counts.resealed += Number(await replace(resealed));
  }

  async *#buildIds(): AsyncGenerator<string[]> {
    for (let from = '-'; ; ) {
      const ids = await this.#redis.zrangebylex(this.#keys.indexAll(), from, '+', 'LIMIT', 0, PAGE);
      if (ids.length === 0) return;
      yield ids;
      from = `(${ids.at(-1)}`;
    }
  }

  /** Returns the text sealed with the first key; undefined if it is already. */
  #sealAgain(sealed: string, context: string): string | undefined | SealBroken {
    try {
      const text = this.#sealer.open(sealed, context);
      return keyIdOf(sealed) === this.#sealer.keyId ? undefined : this.#sealer.seal(text, context);
    } catch (error) {
      if (error instanceof SealBroken) return error;
      throw error;
    }
  }
}
