import { type RedisOptions as IoRedisOptions, Redis } from 'ioredis';

/** Replies keep ioredis' usual shapes. */
type RedisOptions = Omit<IoRedisOptions, 'replyMapping'>;

/** A Redis URL that can't be understood. */
export class InvalidRedisUrl extends Error {
  readonly code = 'invalid_redis_url';
  constructor(expected: string) {
    super(`expected ${expected}`);
  }
}

const FORMS =
  'redis://, rediss:// (TLS), unix:///path/to/socket or redis+sentinel://[user:password@]host:port,host:port/master-name[/db]';

/**
 * Connection options out of a URL.
 * Forms: `redis://[user:password@]host[:port][/db]`, `rediss://…`, `unix:///path/to/socket`,
 * `redis+sentinel://[user:password@]host:port,host:port/master-name[/db]`.
 * @throws InvalidRedisUrl
 */
export function redisOptions(url: string): RedisOptions {
  if (url.startsWith('unix://')) return { path: url.slice('unix://'.length) };
  const sentinel = /^redis\+sentinel:\/\/(?:([^:@/]*):([^@/]*)@)?([^/]+)\/([^/]+)(?:\/(\d+))?$/.exec(url);
  if (sentinel) return sentinelOptions(sentinel);
  if (!URL.canParse(url)) throw new InvalidRedisUrl(FORMS);
  const { protocol, hostname, port, username, password, pathname } = new URL(url);
  if (protocol !== 'redis:' && protocol !== 'rediss:') throw new InvalidRedisUrl(FORMS);
  const db = pathname.replace('/', '');
  if (!/^\d*$/.test(db)) throw new InvalidRedisUrl(`a number as database, got ${JSON.stringify(db)}`);
  return {
    host: hostname,
    port: Number(port || 6379),
    ...credentials(username, password),
    ...(db && { db: Number(db) }),
    ...(protocol === 'rediss:' && { tls: { servername: hostname } }),
  };
}

function sentinelOptions([, user, password, list, name, db]: RegExpExecArray): RedisOptions {
  const sentinels = (list ?? '').split(',').map((entry) => {
    const match = /^(.+?)(?::(\d+))?$/.exec(entry);
    return { host: match?.[1] ?? entry, port: Number(match?.[2] ?? 26_379) };
  });
  return {
    sentinels,
    name: name ?? 'mymaster',
    ...credentials(user ?? '', password ?? ''),
    ...(db && { db: Number(db) }),
  };
}

function credentials(username: string, password: string): RedisOptions {
  return {
    ...(username && { username: decodeURIComponent(username) }),
    ...(password && { password: decodeURIComponent(password) }),
  };
}

/**
 * Opens a connection that never gives a command up: while Redis is away commands wait, and the leases decide what that means.
 * BullMQ needs it so (`maxRetriesPerRequest: null`).
 */
export function connectRedis(url: string, onError: (error: Error) => void): Redis {
  const options: RedisOptions = {
    ...redisOptions(url),
    maxRetriesPerRequest: null,
    retryStrategy: (times: number) => Math.min(50 * times, 1_000),
    enableReadyCheck: true,
  };
  const redis = new Redis(options);
  redis.on('error', onError);
  return redis;
}

/** Another connection like `redis`, for commands that block it. */
export function blockingTwin(redis: Redis): Redis {
  const twin = redis.duplicate();
  for (const listener of redis.listeners('error')) twin.on('error', listener as (error: Error) => void);
  return twin;
}
