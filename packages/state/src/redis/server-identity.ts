import type { Redis } from 'ioredis';

/** Which server process a connection talks to, by Redis' own run id; undefined while that isn't known. */
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

/** Watches a connection; the same for every caller. After a connection is made anew it is unknown until the server has told it. */
export function runIdOf(redis: Redis): ServerIdentity {
  const known = watched.get(redis) ?? new Watched(redis);
  watched.set(redis, known);
  return known;
}
