import type { PoolEvent } from '@kiln/contracts';
import type { Redis } from 'ioredis';
import { blockingTwin } from './connect.ts';
import type { Keys } from './keys.ts';
import { parseEvent } from './pool-events.ts';

const COUNT = 64;
const BLOCK_MS = 2_000;
/** The wait before the stream is read again after an error, ms. */
const RETRY_MS = 500;
const ORPHANED_MS = 30_000;

export interface EventGroupOptions {
  /** Name of the group; each event goes to one of its processes. */
  readonly group: string;
  readonly consumer: string;
  readonly onError: (error: Error) => void;
  /** How long an event may stay unacknowledged before another process takes it, ms. Default: 30 s. */
  readonly orphanedMs?: number;
}

type Entries = readonly (readonly [id: string, fields: readonly string[]])[];

/**
 * Consumes the pool's events as one process of a group. Each event goes to one process; events that arrived while none was running are
 * delivered later, as far back as the stream goes. An event is delivered again if `handle` throws or its process dies.
 */
export function consumeEvents(
  redis: Redis,
  keys: Keys,
  { group, consumer, onError, orphanedMs = ORPHANED_MS }: EventGroupOptions,
  handle: (event: PoolEvent) => Promise<void>,
): AsyncDisposable {
  const own = blockingTwin(redis);
  const key = keys.events();
  let isClosed = false;

  const take = async (entries: Entries) => {
    await Promise.all(
      entries.map(async ([id, fields]) => {
        const event = parseEvent(fields ?? []);
        try {
          if (event) await handle(event);
          await redis.xack(key, group, id);
        } catch (error) {
          onError(error as Error);
        }
      }),
    );
  };
  const orphans = async () => {
    const found = (await redis.xautoclaim(key, group, consumer, orphanedMs, '0-0', 'COUNT', COUNT)) as unknown[];
    await take((found[1] ?? []) as Entries);
    await removeConsumers(redis, key, group);
  };
  const run = async () => {
    let lookedAt = 0;
    let isReady = false;
    while (!isClosed) {
      try {
        if (!isReady) await makeGroup(redis, key, group);
        isReady = true;
        if (Date.now() - lookedAt > orphanedMs / 2) {
          lookedAt = Date.now();
          await orphans();
        }
        const found = await own.xreadgroup(
          ...([
            'GROUP',
            group,
            consumer,
            'COUNT',
            COUNT,
            'BLOCK',
            Math.min(BLOCK_MS, orphanedMs),
            'STREAMS',
            key,
            '>',
          ] as const),
        );
        await take(((found as [string, Entries][] | null)?.[0]?.[1] ?? []) as Entries);
      } catch (error) {
        // A Redis that lost its data has lost the group as well.
        isReady = false;
        if (!isClosed) onError(error as Error);
        if (!isClosed) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  };
  const done = run();
  return {
    async [Symbol.asyncDispose]() {
      isClosed = true;
      own.disconnect();
      await done;
    },
  };
}

async function makeGroup(redis: Redis, key: string, group: string): Promise<void> {
  try {
    await redis.xgroup('CREATE', key, group, '$', 'MKSTREAM');
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('BUSYGROUP'))) throw error;
  }
}

const GONE_MS = 3_600_000;

/** Removes consumers that are gone for good and have nothing unacknowledged. */
async function removeConsumers(redis: Redis, key: string, group: string): Promise<void> {
  const all = (await redis.xinfo('CONSUMERS', key, group)) as (readonly (string | number)[])[];
  for (const one of all) {
    const field = (name: string) => one[one.indexOf(name) + 1];
    if (field('pending') === 0 && Number(field('idle')) > GONE_MS) {
      await redis.xgroup('DELCONSUMER', key, group, String(field('name')));
    }
  }
}
