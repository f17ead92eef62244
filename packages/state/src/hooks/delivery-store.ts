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

/** A webhook that a forge sent, and what has become of it. Times in ms since the epoch. */
export interface StoredDelivery {
  readonly id: string;
  readonly connection: string;
  readonly forge: ForgeName;
  readonly team: string;
  /** The forge's own id, the same in its repeats. */
  readonly forgeId: string;
  readonly ip: string;
  /** Those that say what the body is; never a signature or a token. */
  readonly headers: Readonly<Record<string, string>>;
  readonly receivedAt: number;
  readonly state: DeliveryView['state'];
  /** Grows each time that somebody has it worked on anew. */
  readonly round: number;
  readonly tries: number;
  readonly retryAt?: number;
  readonly finishedAt?: number;
  readonly failure?: DeliveryFailure;
  /** What it said; there as soon as it has been read, and the body is gone then. */
  readonly events?: readonly ForgeEvent[];
  /** In the order of `events`, as far as they have been worked on. */
  readonly outcomes: readonly EventOutcome[];
  /** What an earlier round came to. */
  readonly earlier?: readonly EventOutcome[];
  /** The first delivery of the connection with the same body, byte for byte, where this one is not the first. */
  readonly original?: string;
}

export type NewDelivery = Pick<StoredDelivery, 'connection' | 'forge' | 'team' | 'forgeId' | 'ip' | 'headers'>;

export interface DeliveryFilter {
  readonly team?: string | undefined;
  readonly connection?: string | undefined;
  readonly state?: StoredDelivery['state'] | undefined;
}

/** How long a delivery is kept, and a repeat of it recognised, ms: GitHub sends one again for three days. */
const KEPT_MS = 7 * 24 * 3_600_000;
/** How long the same bytes are recognised, ms: as long as what is known of a branch is kept. */
const BODY_KEPT_MS = 30 * 24 * 3_600_000;
const SCAN = 200;

/** Deliveries of webhooks. A delivery is recorded by one script, and worked on by one job at a time, which writes it whole. */
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

  /** Records a delivery durably, or finds the one that it repeats. @throws StoreFull */
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

  /** The bytes as they came; undefined when they are no longer needed. */
  async body(id: string): Promise<Buffer | undefined> {
    const packed = await this.#redis.hgetBuffer(this.#keys.delivery(id), 'body');
    return packed ? gunzip(packed) : undefined;
  }

  /** Keeps what is known by now. What it said takes the place of the bytes; an end is told to who waits for it. */
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

  /** Has it worked on anew; the caller enqueues it. */
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

  /** Received before `before` and still open, oldest first: what has lost its job among them. */
  async open(before: number, limit: number): Promise<StoredDelivery[]> {
    const ids = await this.#redis.zrangebyscore(this.#keys.deliveriesOpen(), '-inf', before, 'LIMIT', 0, limit);
    const found = await Promise.all(ids.map((id) => this.get(id)));
    const gone = ids.filter((_, i) => !found[i]);
    if (gone.length > 0) await this.#redis.zrem(this.#keys.deliveriesOpen(), ...gone);
    return found.filter((one) => one !== undefined);
  }

  /** Newest first. `next` goes on after the last one that was looked at. */
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
