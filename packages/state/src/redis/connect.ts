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
  'redis://, rediss:// (TLS), unix://[user:password@]/path/to/socket or redis+sentinel://[user:password@]host:port,host:port/master-name[/db]';

/**
 * Connection options out of a URL.
 * Forms: `redis://[user:password@]host[:port][/db]`, `rediss://…`, `unix://[user:password@]/path/to/socket`,
 * `redis+sentinel://[user:password@]host:port,host:port/master-name[/db]`.
 * @throws InvalidRedisUrl
 */
export function redisOptions(url: string): RedisOptions {
  const socket = /^unix:\/\/(?:([^:@/]*):([^@/]*)@)?(.*)$/.exec(url);
  if (socket) return { path: socket[3] ?? '', ...credentials(socket[1] ?? '', socket[2] ?? '') };
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
 * A connection over which nothing comes for so long, though an answer is due, is taken for dead, ms: soon enough for a host to renew its lease
 * over another one.
 */
const SILENCE_MS = 6_000;
/** The same of a connection that is blocked on purpose. BullMQ blocks for at most 10 s, Kiln for 5. */
const BLOCKED_SILENCE_MS = 15_000;

/** Its duplicates, which BullMQ makes as well, are there to be blocked. */
class PoolRedis extends Redis {
  override duplicate(override?: Partial<RedisOptions>): Redis {
    const options: RedisOptions = this.options;
    return new PoolRedis({ ...options, socketTimeout: BLOCKED_SILENCE_MS, ...override });
  }

  /** ioredis would leave commands unanswered for ever that wait for the next connection: one that is given up at once rejects them. */
  override disconnect(reconnect = false): void {
    if (this.status === 'reconnecting' && !reconnect) this.connect().catch(() => {});
    super.disconnect(reconnect);
  }
}

/**
 * Opens a connection that never gives a command up: while Redis is away commands wait, and the leases decide what that means.
 * BullMQ needs it so (`maxRetriesPerRequest: null`). A command whose answer was lost is sent again: what is written must be harmless to repeat.
 * @param silenceMs how long an answer may take before the connection is replaced
 */
export function connectRedis(url: string, onError: (error: Error) => void, silenceMs = SILENCE_MS): Redis {
  const options: RedisOptions = {
    ...redisOptions(url),
    maxRetriesPerRequest: null,
    retryStrategy: (times: number) => Math.min(50 * times, 1_000),
    enableReadyCheck: true,
    socketTimeout: silenceMs,
    ...(isSentinel(url) && { reconnectOnError: leavesReplica }),
  };
  const redis = new PoolRedis(options);
  redis.on('error', onError);
  return redis;
}

/** Whether Sentinel is asked which server is the master. */
export function isSentinel(url: string): boolean {
  return url.startsWith('redis+sentinel://');
}

/** A master that has become a replica keeps its connections: the command is sent again, to whom Sentinel names now. */
function leavesReplica({ message }: Error): 2 | false {
  return message.startsWith('READONLY') ? 2 : false;
}

/** A Redis that doesn't let one in, or isn't there. The message says which of its addresses, and what came back. */
export class RedisUnreachable extends Error {
  readonly code = 'redis_unreachable';
}

/**
 * Tries a Redis once, as `connectRedis` never would: whoever was just told of it wants to know whether it is there.
 * @throws RedisUnreachable @throws InvalidRedisUrl
 */
export async function reachRedis(url: string, timeoutMs: number): Promise<void> {
  const options = redisOptions(url);
  const redis = new Redis({
    ...options,
    lazyConnect: true,
    connectTimeout: timeoutMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    sentinelRetryStrategy: () => null,
  });
  const errors: Error[] = [];
  redis.on('error', (error) => errors.push(error));
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs);
  });
  try {
    await Promise.race([redis.connect().then(() => redis.ping()), late]);
  } catch (error) {
    // What a closed connection says of itself is less than what closed it.
    const cause = errors[0] ?? (error as Error);
    throw new RedisUnreachable(`Redis at ${addressOf(options)}: ${cause.message}`, { cause });
  } finally {
    clearTimeout(timer);
    redis.disconnect();
  }
}

/** Without the password. */
function addressOf({ path, host, port, sentinels }: RedisOptions): string {
  if (sentinels) return sentinels.map((each) => `${each.host}:${each.port}`).join(', ');
  return path ?? `${host}:${port}`;
}

/** Another connection like `redis`, for commands that block it. */
export function blockingTwin(redis: Redis): Redis {
  const twin = redis.duplicate();
  for (const listener of redis.listeners('error')) twin.on('error', listener as (error: Error) => void);
  return twin;
}
