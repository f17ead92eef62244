import { type Command, type RedisOptions as IoRedisOptions, Redis } from 'ioredis';
import { observerOf } from './observer.ts';

/** Without `replyMapping`, so that replies keep ioredis' usual shapes. */
type RedisOptions = Omit<IoRedisOptions, 'replyMapping'>;

/** A Redis URL that isn't valid. */
export class InvalidRedisUrl extends Error {
  readonly code = 'invalid_redis_url';
  constructor(expected: string) {
    super(`expected ${expected}`);
  }
}

const FORMS =
  'redis://, rediss:// (TLS), unix://[user:password@]/path/to/socket or redis+sentinel://[user:password@]host:port,host:port/master-name[/db]';

/**
 * Parses connection options from a URL of one of the forms `redis://[user:password@]host[:port][/db]`, `rediss://…`, `unix://[user:password@]/path/to/socket`,
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
 * How long a connection may stay silent while an answer is due before it is replaced, ms. Short enough for a host to renew its lease over
 * the next connection.
 */
const SILENCE_MS = 6_000;
/** The same for connections used for blocking commands. BullMQ blocks for at most 10 s, Kiln for 5. */
const BLOCKED_SILENCE_MS = 15_000;

/** ioredis' own queue of commands that it sends again. */
interface UnansweredCommands {
  shift(): { readonly command: { reject(error: Error): void } } | undefined;
}

/** Marks a command whose answer is observed: it passes `sendCommand` once more when it is sent again. */
const observed = Symbol('observed');

/** A connection whose duplicates, including those that BullMQ makes, are meant for blocking commands. */
class PoolRedis extends Redis {
  override duplicate(override?: Partial<RedisOptions>): Redis {
    const options: RedisOptions = this.options;
    return new PoolRedis({ ...options, socketTimeout: BLOCKED_SILENCE_MS, ...override });
  }

  /** Tells the connection's observer, if there is one, about the answer. */
  override sendCommand(...args: Parameters<Redis['sendCommand']>): unknown {
    const observer = observerOf(this);
    const command = args[0] as Command & { [observed]?: true };
    if (observer && !command[observed]) {
      command[observed] = true;
      const startedAt = performance.now();
      command.promise.then(
        () => observer.answered(performance.now() - startedAt, undefined),
        (error: Error) => observer.answered(performance.now() - startedAt, error),
      );
    }
    return super.sendCommand(...args);
  }

  /** Also rejects commands that wait for the next connection; ioredis would leave them pending forever. */
  override disconnect(reconnect = false): void {
    if (this.status === 'reconnecting' && !reconnect) this.connect().catch(() => {});
    super.disconnect(reconnect);
    if (!reconnect) this.#rejectUnanswered();
  }

  /** Rejects what the last connection didn't answer, and what the next one would have been sent once it is ready. */
  #rejectUnanswered(): void {
    const { prevCommandQueue: queue } = this as unknown as { readonly prevCommandQueue?: UnansweredCommands | null };
    for (let next = queue?.shift(); next; next = queue?.shift())
      next.command.reject(new Error('Connection is closed.'));
  }
}

/**
 * Opens a connection that never gives up a command: while Redis is unreachable commands wait, and leases decide what that means. BullMQ
 * requires this (`maxRetriesPerRequest: null`). Commands whose answer was lost are sent again, so every write must be harmless to repeat.
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

/** Whether the URL names Sentinels, which say which server is the master. */
export function isSentinel(url: string): boolean {
  return url.startsWith('redis+sentinel://');
}

/** A master that became a replica keeps its connections; this reconnects to the new master and sends the command again. */
function leavesReplica({ message }: Error): 2 | false {
  return message.startsWith('READONLY') ? 2 : false;
}

/** A Redis that can't be reached or refuses the login. The message contains its address and the cause, but no password. */
export class RedisUnreachable extends Error {
  readonly code = 'redis_unreachable';
}

/**
 * Connects to a Redis once and disconnects, to check a URL that was just given; `connectRedis` would retry forever.
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
    // The first error says what closed the connection; later ones only say that it is closed.
    const cause = errors[0] ?? (error as Error);
    throw new RedisUnreachable(`Redis at ${addressOf(options)}: ${cause.message}`, { cause });
  } finally {
    clearTimeout(timer);
    redis.disconnect();
  }
}

/** The address for messages, without the password. */
function addressOf({ path, host, port, sentinels }: RedisOptions): string {
  if (sentinels) return sentinels.map((each) => `${each.host}:${each.port}`).join(', ');
  return path ?? `${host}:${port}`;
}

/** Opens another connection like `redis`, for blocking commands. */
export function blockingTwin(redis: Redis): Redis {
  const twin = redis.duplicate();
  for (const listener of redis.listeners('error')) twin.on('error', listener as (error: Error) => void);
  return twin;
}
