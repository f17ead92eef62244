import type { MemoryLevel } from '@kiln/domain';
import { type Metrics, NO_METRICS } from '@kiln/metrics';
import type { LiveLogSettings, Memory, MemoryState } from '@kiln/state';
import type { Logger } from 'pino';
import type { ApiConfig } from '../config.ts';
import { repeat } from './repeat.ts';

/** Least size of a piece unless a writer waits, as small blobs cost more than they free. */
const LEAST_PIECE_BYTES = 64 * 1024;

/** The operator's settings for live logs. */
export function liveLogSettings({ liveLogBytes, liveLogsBytes }: ApiConfig): LiveLogSettings {
  return { logBytes: liveLogBytes, allBytes: liveLogsBytes };
}

/** Checks Redis' memory periodically, so that new builds are refused before Redis is full. */
export class MemoryWatch implements AsyncDisposable {
  readonly #work: AsyncDisposable;
  readonly #collecting: Disposable;
  #last: MemoryState | undefined;
  #pieceBytes: number;

  constructor(config: ApiConfig, memory: Pick<Memory, 'note'>, log: Logger, metrics: Metrics = NO_METRICS) {
    const settings = liveLogSettings(config);
    this.#pieceBytes = pieceBytes({ ...settings, allBytes: Number.POSITIVE_INFINITY, count: 0 });
    const look = async () => {
      const { state, before } = await memory.note(settings);
      this.#pieceBytes = pieceBytes(state.logs);
      this.#last = state;
      if (state.level !== before) report(log, state, before);
    };
    this.#collecting = collectMemory(metrics, () => this.#last);
    this.#work = repeat('memory', config.memoryIntervalMs, look, log);
  }

  /** Size in Redis from which a log is moved, early enough that its writer needn't wait. */
  get pieceBytes(): number {
    return this.#pieceBytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#collecting[Symbol.dispose]();
    await this.#work[Symbol.asyncDispose]();
  }
}

const LEVELS = { ok: 0, full: 1, critical: 2 } as const satisfies Record<MemoryLevel, number>;

function collectMemory(metrics: Metrics, last: () => MemoryState | undefined): Disposable {
  return metrics.collect(
    [
      'kiln_redis_memory_used_bytes',
      'kiln_redis_memory_max_bytes',
      'kiln_redis_memory_level',
      'kiln_live_log_bytes',
      'kiln_live_log_writers_waiting',
    ],
    (set) => {
      const state = last();
      if (!state) return;
      set('kiln_redis_memory_used_bytes', state.usedBytes);
      set('kiln_redis_memory_max_bytes', state.limitBytes ?? 0);
      set('kiln_redis_memory_level', LEVELS[state.level]);
      set('kiln_live_log_bytes', state.logs.bytes);
      set('kiln_live_log_writers_waiting', state.logs.waiting);
    },
  );
}

/** A quarter of one log's limit, or half of its share of the total limit if there are too many logs for that. */
function pieceBytes({
  logBytes,
  allBytes,
  count,
}: Pick<MemoryState['logs'], 'logBytes' | 'allBytes' | 'count'>): number {
  return Math.ceil(Math.min(logBytes / 4, Math.max(LEAST_PIECE_BYTES, allBytes / (2 * Math.max(1, count)))));
}

function report(log: Logger, { level, usedBytes, limitBytes, logs }: MemoryState, before: MemoryLevel): void {
  const fields = { level, before, usedBytes, limitBytes, logs };
  if (level === 'ok') log.info(fields, 'redis memory is no longer full');
  else log.warn(fields, 'redis memory is nearly full');
}

const MIB = 1024 * 1024;

/** The lines of `/readyz` about Redis' memory. */
export function memoryLines({ level, usedBytes, limitBytes, logs }: MemoryState): string[] {
  const mib = (bytes: number) => `${(bytes / MIB).toFixed(1)} MiB`;
  const used = limitBytes === undefined ? mib(usedBytes) : `${mib(usedBytes)} of ${mib(limitBytes)}`;
  return [
    ...(level === 'ok' ? [] : ['not accepting builds or webhooks: Redis is nearly full (store_full)']),
    ...(level === 'critical' ? ['not starting queued builds: Redis is nearly full'] : []),
    `redis memory: ${used}`,
    `live logs: ${logs.count}, ${mib(logs.bytes)} of ${mib(logs.allBytes)}; waiting for room: ${logs.waiting}`,
  ];
}
