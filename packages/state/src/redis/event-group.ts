import { type PoolEvent, poolEvent } from '@kiln/contracts';
import type { Redis } from 'ioredis';
import { blockingTwin } from './connect.ts';
import type { Keys } from './keys.ts';

const COUNT = 64;
const BLOCK_MS = 2_000;
/** Wait before the stream is read again after an error, ms. */
const RETRY_MS = 500;
const ORPHANED_MS = 30_000;

export interface EventGroupOptions {
  /** Names what the events are for: each goes to one process of the group. */
  readonly group: string;
  readonly consumer: string;
  readonly onError: (error: Error) => void;
  /** What a process took and hasn't acknowledged for so long is anybody's again, ms. Default: 30 s. */
  readonly orphanedMs?: number;
}

type Entries = readonly (readonly [id: string, fields: readonly string[]])[];

/**
 * Takes the pool's events with the other processes of a group: each event is for one of them, also those that came while none was there,
 * as far back as the stream goes. One that `handle` throws for, or whose process dies, comes again to whoever is there.
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
        const event = parse(fields ?? []);
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
    await forgetConsumers(redis, key, group);
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
        // A Redis that lost its data has lost the group, too.
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

const FORGOTTEN_MS = 3_600_000;

/** Consumers that are gone for good and owe nothing. */
async function forgetConsumers(redis: Redis, key: string, group: string): Promise<void> {
  const all = (await redis.xinfo('CONSUMERS', key, group)) as (readonly (string | number)[])[];
  for (const one of all) {
    const field = (name: string) => one[one.indexOf(name) + 1];
    if (field('pending') === 0 && Number(field('idle')) > FORGOTTEN_MS) {
      await redis.xgroup('DELCONSUMER', key, group, String(field('name')));
    }
  }
}

/** Undefined for an event of a newer version, which this one doesn't know. */
function parse(fields: readonly string[]): PoolEvent | undefined {
  const entries = [];
  for (let i = 0; i + 1 < fields.length; i += 2) entries.push([fields[i], fields[i + 1]]);
  const event = poolEvent.safeParse(Object.fromEntries(entries));
  return event.success ? event.data : undefined;
}
