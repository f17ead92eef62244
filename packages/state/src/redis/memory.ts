import { type LiveLogLimits, liveLogLimits, type MemoryLevel, memoryLevel } from '@kiln/domain';
import type { Redis } from 'ioredis';
import type { Keys } from './keys.ts';
import { runScript } from './scripts.ts';

/** A level that nobody has looked at for so long doesn't hold any more, ms. */
const LEVEL_TTL_MS = 15_000;

/** Redis has no memory for anything new; what runs goes on. */
export class StoreFull extends Error {
  readonly code = 'store_full';
  constructor() {
    super('Redis is full: nothing new is accepted until some of its memory is free');
  }
}

/** What is in Redis' memory. */
export interface MemoryState {
  readonly level: MemoryLevel;
  readonly usedBytes: number;
  /** `maxmemory`; where none is set, what the machine has. Absent where Redis says neither. */
  readonly limitBytes?: number;
  readonly logs: LiveLogLimits & {
    readonly count: number;
    readonly bytes: number;
    /** Logs whose build is held up, because they have no room. */
    readonly waiting: number;
  };
}

/** An operator's settings of what live logs may hold; see `liveLogLimits`. */
export interface LiveLogSettings {
  readonly logBytes: number;
  readonly allBytes?: number | undefined;
}

/** How full Redis is. API processes look every second; scripts that make something new go by what they note. */
export class Memory {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Looks, and notes the level and what live logs may hold. Answers the level that was noted before beside it. */
  async note(settings: LiveLogSettings): Promise<{ state: MemoryState; before: MemoryLevel }> {
    const now = await this.read(settings);
    const state = { ...now, level: memoryLevel(now, now.level) };
    const before = await runScript(
      this.#redis,
      'note-memory',
      [this.#keys.memoryLevel(), this.#keys.liveLogLimits()],
      [state.level, LEVEL_TTL_MS, state.logs.logBytes, state.logs.allBytes],
    );
    return { state, before: before as MemoryLevel };
  }

  /** How full it is, and the level that is noted. */
  async read(settings: LiveLogSettings): Promise<MemoryState> {
    const [info, level, count, bytes, waiting] = await Promise.all([
      this.#info(),
      this.#level(),
      this.#redis.zcard(this.#keys.liveLogs()),
      this.#redis.get(this.#keys.liveLogBytes()),
      this.#redis.scard(this.#keys.waitingLogs()),
    ]);
    const use = memoryUse(info);
    const limits = liveLogLimits(settings, use.limitBytes);
    return {
      ...use,
      level,
      logs: { ...limits, count, bytes: Number(bytes ?? 0), waiting },
    };
  }

  /** @throws StoreFull as long as nothing new is accepted */
  async assertRoom(): Promise<void> {
    if ((await this.#level()) !== 'ok') throw new StoreFull();
  }

  /** Empty where this Redis lets nobody ask. */
  #info(): Promise<string> {
    return this.#redis.info('memory').catch((error: unknown) => {
      if (error instanceof Error && error.name === 'ReplyError' && /^(NOPERM|ERR)\b/.test(error.message)) return '';
      throw error;
    });
  }

  async #level(): Promise<MemoryLevel> {
    return ((await this.#redis.get(this.#keys.memoryLevel())) as MemoryLevel | null) ?? 'ok';
  }
}

/** Out of Redis' own words. What its replicas' buffers take isn't counted towards `maxmemory`, and not here. */
function memoryUse(info: string): { usedBytes: number; limitBytes?: number } {
  const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
  const usedBytes = Math.max(0, field('used_memory') - field('mem_not_counted_for_evict'));
  const limitBytes = field('maxmemory') || field('total_system_memory');
  return limitBytes > 0 ? { usedBytes, limitBytes } : { usedBytes };
}

/** Whether Redis refused a command because it is out of memory: `OOM` is the code of that error in its protocol. */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError' && /^OOM\b/.test(error.message);
}
