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

/** Has a real Redis answer errors, late, or break its connections, for so long or until `signal` aborts; then it works again. */
export async function failRedis(
  server: TestRedis,
  kind: RedisFailure,
  holdMs: number,
  signal: AbortSignal,
): Promise<void> {
  const hold = (ms = holdMs) => delay(ms, undefined, { signal }).catch(() => {});
  const redis = connectRedis(server.url, () => {});
  const tell = (...words: [string, ...string[]]) => redis.call(...words);
  try {
    switch (kind) {
      case 'starve redis':
        await tell('CONFIG', 'SET', 'maxmemory', '1');
        await hold();
        await tell('CONFIG', 'SET', 'maxmemory', '0');
        return;
      case 'unreplicated redis':
        await tell('CONFIG', 'SET', 'min-replicas-to-write', '1');
        await hold();
        await tell('CONFIG', 'SET', 'min-replicas-to-write', '0');
        return;
      case 'read-only redis':
        // Of a master that isn't there: it keeps what it has.
        await tell('REPLICAOF', '127.0.0.1', '1');
        await hold();
        await tell('REPLICAOF', 'NO', 'ONE');
        return;
      case 'pause redis':
        await tell('CLIENT', 'PAUSE', `${holdMs}`, 'ALL');
        await hold();
        return;
      case 'freeze redis':
        server.signal('SIGSTOP');
        await hold();
        server.signal('SIGCONT');
        return;
      case 'reset redis':
        for (let leftMs = holdMs; leftMs >= 0 && !signal.aborted; leftMs -= RESET_EVERY_MS) {
          await tell('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
          await hold(RESET_EVERY_MS);
        }
        return;
    }
  } finally {
    redis.disconnect();
  }
}
