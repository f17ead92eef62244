import type { MessageView, WebhookEvent } from '@kiln/contracts';
import type { Redis } from 'ioredis';
import { monotonicFactory } from 'ulid';
import { keyDigest } from '../redis/key-schema.ts';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';
import type { Sealer } from '../secrets/sealer.ts';
import type { PreviousSecret } from './previous-secret.ts';

/** An outgoing webhook. Times in ms since the epoch. */
export interface StoredWebhook {
  readonly id: string;
  readonly team: string;
  readonly url: string;
  readonly events: readonly WebhookEvent[];
  readonly secret: string;
  /** The secret before the last rotation. */
  readonly previous?: PreviousSecret;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly disabledAt?: number;
}

/** A message to a webhook; every try sends the same body. */
export interface StoredMessage {
  readonly id: string;
  readonly webhook: string;
  readonly event: WebhookEvent;
  readonly build: string;
  readonly body: string;
  readonly state: MessageView['state'];
  readonly createdAt: number;
  /** Incremented each time it is sent again on request. */
  readonly round: number;
  readonly tries: number;
  readonly triedAt?: number;
  readonly retryAt?: number;
  readonly status?: number;
  readonly why?: string;
}

export type NewMessage = Pick<StoredMessage, 'webhook' | 'event' | 'build' | 'body'>;

const KEPT_MS = 30 * 24 * 3_600_000;
/** How many messages of a webhook are kept; the newest ones. */
const MAX_MESSAGES = 5_000;

/** Outgoing webhooks and their messages. */
export class WebhookStore {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #sealer: Sealer;
  readonly #now: () => number;
  readonly #newId = monotonicFactory();

  constructor(redis: Redis, keys: Keys, sealer: Sealer, now: () => number) {
    this.#redis = redis;
    this.#keys = keys;
    this.#sealer = sealer;
    this.#now = now;
  }

  async create(webhook: Omit<StoredWebhook, 'id' | 'createdAt'>): Promise<StoredWebhook> {
    const now = this.#now();
    const stored = { ...webhook, id: this.#newId(now).toLowerCase(), createdAt: now };
    await this.#put(stored);
    return stored;
  }

  /** @throws SealBroken */
  async get(id: string): Promise<StoredWebhook | undefined> {
    const doc = await this.#redis.hget(this.#keys.webhooks(), id);
    return doc === null ? undefined : this.#parse(doc);
  }

  /** Reads the webhooks of a team, or of all, oldest first. @throws SealBroken */
  async list(team?: string): Promise<StoredWebhook[]> {
    const docs = Object.values(await this.#redis.hgetall(this.#keys.webhooks()));
    const own = docs.filter((doc) => team === undefined || (JSON.parse(doc) as StoredWebhook).team === team);
    return own.map((doc) => this.#parse(doc)).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Whether any team has a webhook. */
  async any(): Promise<boolean> {
    return (await this.#redis.hlen(this.#keys.webhooks())) > 0;
  }

  /** Replaces the secret. `previous` stays valid until it expires. */
  async rotate(
    { previous: _, ...webhook }: StoredWebhook,
    secret: string,
    previous: PreviousSecret | undefined,
  ): Promise<StoredWebhook> {
    const rotated = { ...webhook, secret, ...(previous && { previous }) };
    await this.#put(rotated);
    return rotated;
  }

  /** Disables a webhook: nothing more is sent to it. Reads it again, because its secret may have been rotated since the caller read it. */
  async disable({ id }: Pick<StoredWebhook, 'id'>): Promise<void> {
    const webhook = await this.get(id);
    if (webhook) await this.#put({ ...webhook, disabledAt: this.#now() });
  }

  /** Removes a webhook and its messages. */
  async remove(id: string): Promise<void> {
    const messages = await this.#redis.zrange(this.#keys.messagesOf(id), '0', '-1');
    await this.#redis
      .multi()
      .hdel(this.#keys.webhooks(), id)
      .del(this.#keys.messagesOf(id), ...messages.map((message) => this.#keys.message(message)))
      .exec();
  }

  /**
   * Stores a message, or returns the existing one for the same build, event and `turn`. The caller must enqueue it.
   */
  async add(message: NewMessage, turn: string): Promise<StoredMessage> {
    const now = this.#now();
    const id = `msg_${keyDigest(`${message.webhook} ${message.build} ${message.event} ${turn}`)}`;
    const stored: StoredMessage = { ...message, id, state: 'pending', createdAt: now, round: 1, tries: 0 };
    const held = await runScript(
      this.#redis,
      'add-message',
      [this.#keys.message(id), this.#keys.messagesOf(message.webhook)],
      [this.#keys.prefix, id, JSON.stringify(stored), now, KEPT_MS, MAX_MESSAGES],
    );
    return held === null ? stored : (JSON.parse(String(held)) as StoredMessage);
  }

  async message(id: string): Promise<StoredMessage | undefined> {
    const doc = await this.#redis.get(this.#keys.message(id));
    return doc === null ? undefined : (JSON.parse(doc) as StoredMessage);
  }

  /** Stores the result of a try, unless the message is gone. */
  async saveMessage(message: StoredMessage): Promise<void> {
    await this.#redis.set(this.#keys.message(message.id), JSON.stringify(message), 'KEEPTTL', 'XX');
  }

  /** Reads the messages of a webhook, newest first. */
  async messages(webhook: string, limit: number, state?: StoredMessage['state']): Promise<StoredMessage[]> {
    const ids = await this.#redis.zrange(this.#keys.messagesOf(webhook), '0', '-1', 'REV');
    const found: StoredMessage[] = [];
    for (let i = 0; i < ids.length && found.length < limit; i += limit) {
      const page = await Promise.all(ids.slice(i, i + limit).map((id) => this.message(id)));
      found.push(...page.filter((one) => one !== undefined).filter((one) => (state ?? one.state) === one.state));
    }
    return found.slice(0, limit);
  }

  async #put({ secret, previous, ...webhook }: StoredWebhook): Promise<void> {
    const seal = (text: string) => this.#sealer.seal(text, contextOf(webhook.id));
    const doc: WebhookDoc = {
      ...{ ...webhook, sealed: seal(secret) },
      ...(previous && { previousSealed: seal(previous.secret), previousExpiresAt: previous.expiresAt }),
    };
    await this.#redis.hset(this.#keys.webhooks(), webhook.id, JSON.stringify(doc));
  }

  #parse(doc: string): StoredWebhook {
    const { sealed, previousSealed, previousExpiresAt, ...webhook } = JSON.parse(doc) as WebhookDoc;
    const open = (text: string) => this.#sealer.open(text, contextOf(webhook.id));
    return {
      ...{ ...webhook, secret: open(sealed) },
      ...(previousSealed !== undefined &&
        previousExpiresAt !== undefined && {
          previous: { secret: open(previousSealed), expiresAt: previousExpiresAt },
        }),
    };
  }
}

interface WebhookDoc extends Omit<StoredWebhook, 'secret' | 'previous'> {
  readonly sealed: string;
  readonly previousSealed?: string;
  readonly previousExpiresAt?: number;
}

/** The seal context of a webhook's secrets. */
export function contextOf(id: string): string {
  return `webhook:${id}`;
}
