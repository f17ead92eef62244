import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip as gunzipCallback, gzip as gzipCallback } from 'node:zlib';
import type { DeliveryFailure, DeliveryView, EventOutcome, ForgeEvent, ForgeName } from '@kiln/contracts';
import type { Redis } from 'ioredis';
import { encodeTime, monotonicFactory } from 'ulid';
import { keyDigest } from '../redis/key-schema.ts';
import type { Keys } from '../redis/keys.ts';
import { StoreFull } from '../redis/memory.ts';
import { runScript } from '../redis/scripts.ts';

const gzip = promisify(gzipCallback);
const gunzip = promisify(gunzipCallback);

/** An incoming webhook and the state of its processing. Times in ms since the epoch. */
export interface StoredDelivery {
  readonly id: string;
  readonly connection: string;
  readonly forge: ForgeName;
  readonly team: string;
  /** The forge's own id, which is the same when it sends the webhook again. */
  readonly forgeId: string;
  readonly ip: string;
  /** Headers that describe the body; never a signature or a token. */
  readonly headers: Readonly<Record<string, string>>;
  readonly receivedAt: number;
  readonly state: DeliveryView['state'];
  /** Incremented each time it is processed again on request. */
  readonly round: number;
  readonly tries: number;
  readonly retryAt?: number;
  readonly finishedAt?: number;
  readonly failure?: DeliveryFailure;
  /** The events in its body; set once the body was parsed, which removes the body. */
  readonly events?: readonly ForgeEvent[];
  /** Outcomes of the events processed so far, in the order of `events`. */
  readonly outcomes: readonly EventOutcome[];
  /** Outcomes of an earlier round. */
  readonly earlier?: readonly EventOutcome[];
  /** The connection's first delivery with the same body, unless it is this one. */
  readonly original?: string;
}

export type NewDelivery = Pick<StoredDelivery, 'connection' | 'forge' | 'team' | 'forgeId' | 'ip' | 'headers'>;

export interface DeliveryFilter {
  readonly team?: string | undefined;
  readonly connection?: string | undefined;
  readonly state?: StoredDelivery['state'] | undefined;
}

/** How long a delivery is kept and its repeats are recognised, ms. GitHub repeats one for three days. */
const KEPT_MS = 7 * 24 * 3_600_000;
/** How long a repeated body is recognised, ms; as long as subjects are kept. */
const BODY_KEPT_MS = 30 * 24 * 3_600_000;
const SCAN = 200;

/** Incoming webhooks. A delivery is recorded by one script and processed by one job at a time, which writes it as a whole. */
export class DeliveryStore {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #now: () => number;
  readonly #newId = monotonicFactory();

  constructor(redis: Redis, keys: Keys, now: () => number) {
    this.#redis = redis;
    this.#keys = keys;
    this.#now = now;
  }

  /** Records a delivery durably, or returns the one that it repeats. @throws StoreFull */
  async receive(delivery: NewDelivery, body: Uint8Array): Promise<{ delivery: StoredDelivery; isRepeat: boolean }> {
    const now = this.#now();
    const id = this.#newId(now).toLowerCase();
    const stored: StoredDelivery = {
      ...{ id, ...delivery, receivedAt: now, state: 'pending', round: 1, tries: 0, outcomes: [] },
    };
    const { connection, forgeId, team } = delivery;
    const bodyDigest = createHash('sha256').update(`${connection} `).update(body).digest('hex');
    const held = await runScript(
      this.#redis,
      'receive-delivery',
      [
        this.#keys.deliveryOf(keyDigest(`${connection} ${forgeId}`)),
        this.#keys.delivery(id),
        this.#keys.deliveryOfBody(bodyDigest),
      ],
      [
        ...[this.#keys.prefix, id, JSON.stringify(stored), await gzip(body, { level: 1 }), KEPT_MS, now, team],
        ...[encodeTime(Math.max(0, now - KEPT_MS)).toLowerCase(), BODY_KEPT_MS],
      ],
    );
    if (held === 'full') throw new StoreFull();
    if (held === null) return { delivery: stored, isRepeat: false };
    const earlier = await this.get(String(held));
    if (!earlier) throw new Error(`delivery ${String(held)} is gone`);
    return { delivery: earlier, isRepeat: true };
  }

  async get(id: string): Promise<StoredDelivery | undefined> {
    const [doc, original] = await this.#redis.hmget(this.#keys.delivery(id), 'doc', 'original');
    return doc ? { ...(JSON.parse(doc) as StoredDelivery), ...(original && { original }) } : undefined;
  }

  /** Reads the body; undefined once it is no longer needed. */
  async body(id: string): Promise<Buffer | undefined> {
    const packed = await this.#redis.hgetBuffer(this.#keys.delivery(id), 'body');
    return packed ? gunzip(packed) : undefined;
  }

  /** Writes a delivery. Its events replace the body; the end of processing is announced as an event. */
  async save(delivery: StoredDelivery): Promise<void> {
    const key = this.#keys.delivery(delivery.id);
    const writing = this.#redis.multi().hset(key, 'doc', JSON.stringify(delivery));
    if (delivery.events) writing.hdel(key, 'body');
    if (delivery.state === 'pending') writing.zadd(this.#keys.deliveriesOpen(), delivery.receivedAt, delivery.id);
    else {
      writing.zrem(this.#keys.deliveriesOpen(), delivery.id);
      writing.xadd(this.#keys.events(), 'MAXLEN', '~', 20_000, '*', 'type', 'delivery', 'id', delivery.id);
    }
    await writing.exec();
  }

  /** Starts another round of a delivery. The caller must enqueue it. */
  async reopen(delivery: StoredDelivery): Promise<StoredDelivery> {
    const { failure: _, finishedAt: __, retryAt: ___, outcomes, earlier = outcomes, ...rest } = delivery;
    const next: StoredDelivery = {
      ...rest,
      state: 'pending',
      round: delivery.round + 1,
      tries: 0,
      outcomes: [],
      earlier: outcomes.length > 0 ? outcomes : earlier,
    };
    await this.save(next);
    return next;
  }

  /** Reads deliveries received before `before` that aren't processed, oldest first; some may have lost their job. */
  async open(before: number, limit: number): Promise<StoredDelivery[]> {
    const ids = await this.#redis.zrangebyscore(this.#keys.deliveriesOpen(), '-inf', before, 'LIMIT', 0, limit);
    const found = await Promise.all(ids.map((id) => this.get(id)));
    const gone = ids.filter((_, i) => !found[i]);
    if (gone.length > 0) await this.#redis.zrem(this.#keys.deliveriesOpen(), ...gone);
    return found.filter((one) => one !== undefined);
  }

  /** Reads a page of deliveries, newest first; `next` is the cursor of the next page. */
  async list(
    { team, connection, state }: DeliveryFilter,
    { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
  ): Promise<{ deliveries: StoredDelivery[]; next?: string }> {
    const index = team === undefined ? this.#keys.deliveries() : this.#keys.deliveriesOfTeam(team);
    const deliveries: StoredDelivery[] = [];
    for (let from = cursor; ; ) {
      const ids = await this.#redis.zrange(index, from ? `(${from}` : '+', '-', 'BYLEX', 'REV', 'LIMIT', 0, SCAN);
      for (const one of await Promise.all(ids.map((id) => this.get(id)))) {
        if (one) from = one.id;
        if (!one || (connection ?? one.connection) !== one.connection || (state ?? one.state) !== one.state) continue;
        deliveries.push(one);
        if (deliveries.length === limit) return { deliveries, next: one.id };
      }
      if (ids.length < SCAN) return { deliveries };
      from = ids.at(-1);
    }
  }
}
