import type { Redis } from 'ioredis';

/** The run id of the server process that a connection is connected to; undefined while unknown. */
export interface ServerIdentity {
  readonly current: string | undefined;
}

class Watched implements ServerIdentity {
  current: string | undefined;

  constructor(redis: Redis) {
    const learn = () => {
      const asked = redis.stream;
      redis.info('server').then(
        (info) => {
          if (redis.stream === asked) this.current = /^run_id:(\w+)/m.exec(info)?.[1];
        },
        () => {},
      );
    };
    redis.on('close', () => {
      this.current = undefined;
    });
    redis.on('ready', learn);
    if (redis.status === 'ready') learn();
  }
}

const watched = new WeakMap<Redis, Watched>();

/** Watches a connection; all callers share one watcher. After a reconnect the id is unknown until the server answers INFO. */
export function runIdOf(redis: Redis): ServerIdentity {
  const known = watched.get(redis) ?? new Watched(redis);
  watched.set(redis, known);
  return known;
}
