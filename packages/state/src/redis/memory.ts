import { type LiveLogLimits, liveLogLimits, type MemoryLevel, memoryLevel } from '@kiln/domain';
import type { Redis } from 'ioredis';
import type { Keys } from './keys.ts';
import { runScript } from './scripts.ts';

/** How long a level is valid if no API process renews it, ms. */
const LEVEL_TTL_MS = 15_000;

/** Redis has no memory for anything new; running builds continue. */
export class StoreFull extends Error {
  readonly code = 'store_full';
  constructor() {
    super('Redis is full: nothing new is accepted until memory is freed');
  }
}

/** How much memory Redis uses, and how much of it live logs. */
export interface MemoryState {
  readonly level: MemoryLevel;
  readonly usedBytes: number;
  /** `maxmemory`, or the machine's memory if that isn't set; absent if Redis reports neither. */
  readonly limitBytes?: number;
  readonly logs: LiveLogLimits & {
    readonly count: number;
    readonly bytes: number;
    /** Logs without room, whose builds wait. */
    readonly waiting: number;
  };
}

/** An operator's settings for the size of live logs; see `liveLogLimits`. */
export interface LiveLogSettings {
  readonly logBytes: number;
  readonly allBytes?: number | undefined;
}

/** How full Redis is. API processes check it every second and store the level, by which scripts refuse to write anything new. */
export class Memory {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Checks the memory, and stores the level and the limits of live logs. Returns the state and the level stored before. */
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

  /** Returns how full Redis is, with the stored level. */
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

  /** @throws StoreFull while nothing new is accepted */
  async assertRoom(): Promise<void> {
    if ((await this.#level()) !== 'ok') throw new StoreFull();
  }

  /** Empty if INFO is forbidden. */
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

/** Reads the use from INFO. Buffers for replicas and the append-only file don't count, as they don't towards `maxmemory`. */
function memoryUse(info: string): { usedBytes: number; limitBytes?: number } {
  const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
  const usedBytes = Math.max(0, field('used_memory') - field('mem_not_counted_for_evict'));
  const limitBytes = field('maxmemory') || field('total_system_memory');
  return limitBytes > 0 ? { usedBytes, limitBytes } : { usedBytes };
}

/** Whether Redis refused a command because it is out of memory; `OOM` is the error's code in its protocol. */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError' && /^OOM\b/.test(error.message);
}
