import { setTimeout as delay } from 'node:timers/promises';
import { connectRedis } from '@kiln/state';
import type { TestRedis } from '@kiln/state/testing';

export type RedisFailure =
  | 'starve redis'
  | 'unreplicated redis'
  | 'read-only redis'
  | 'pause redis'
  | 'freeze redis'
  | 'reset redis';

const RESET_EVERY_MS = 100;

/** Makes a real Redis answer with errors or late, or break its connections, for `holdMs` or until `signal` aborts. Then it works again. */
export async function failRedis(
  server: TestRedis,
  kind: RedisFailure,
  holdMs: number,
  signal: AbortSignal,
): Promise<void> {
  const hold = (ms = holdMs) => delay(ms, undefined, { signal }).catch(() => {});
  const redis = connectRedis(server.url, () => {});
  const send = (...words: [string, ...string[]]) => redis.call(...words);
  try {
    switch (kind) {
      case 'starve redis':
        await send('CONFIG', 'SET', 'maxmemory', '1');
        await hold();
        await send('CONFIG', 'SET', 'maxmemory', '0');
        return;
      case 'unreplicated redis':
        await send('CONFIG', 'SET', 'min-replicas-to-write', '1');
        await hold();
        await send('CONFIG', 'SET', 'min-replicas-to-write', '0');
        return;
      case 'read-only redis':
        // A replica of a master that does not exist: it keeps its data.
        await send('REPLICAOF', '127.0.0.1', '1');
        await hold();
        await send('REPLICAOF', 'NO', 'ONE');
        return;
      case 'pause redis':
        await send('CLIENT', 'PAUSE', `${holdMs}`, 'ALL');
        await hold();
        return;
      case 'freeze redis':
        server.signal('SIGSTOP');
        await hold();
        server.signal('SIGCONT');
        return;
      case 'reset redis':
        for (let leftMs = holdMs; leftMs >= 0 && !signal.aborted; leftMs -= RESET_EVERY_MS) {
          await send('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
          await hold(RESET_EVERY_MS);
        }
        return;
    }
  } finally {
    redis.disconnect();
  }
}
