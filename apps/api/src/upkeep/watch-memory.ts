import type { MemoryLevel } from '@kiln/domain';
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
  #pieceBytes: number;

  constructor(config: ApiConfig, memory: Pick<Memory, 'note'>, log: Logger) {
    const settings = liveLogSettings(config);
    this.#pieceBytes = pieceBytes({ ...settings, allBytes: Number.POSITIVE_INFINITY, count: 0 });
    const look = async () => {
      const { state, before } = await memory.note(settings);
      this.#pieceBytes = pieceBytes(state.logs);
      if (state.level !== before) report(log, state, before);
    };
    this.#work = repeat('memory', config.memoryIntervalMs, look, log);
  }

  /** Size in Redis from which a log is moved, early enough that its writer needn't wait. */
  get pieceBytes(): number {
    return this.#pieceBytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#work[Symbol.asyncDispose]();
  }
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
