import type { HostDisk } from '@kiln/contracts';
import { type Amount, amountOf, bytesToFree, type FreeDisk, isLowOnDisk } from '@kiln/domain';
import type { Logger } from '@kiln/runtime';

export interface DiskGuardDeps {
  /** What should be free at least; 0 bytes: nothing. Default: 1 GB, or 5% of a smaller disk. */
  readonly minFreeDisk: Amount | undefined;
  measure(): Promise<HostDisk | undefined>;
  /** Evicts caches. @returns the freed bytes */
  free(bytes: number): Promise<number>;
  /** Reports whether the host is low on disk, from now on. */
  onLow(isLow: boolean): Promise<void>;
  readonly log: Logger;
  readonly now: () => number;
}

const DEFAULT_MIN_FREE_BYTES = 1024 ** 3;
const DEFAULT_MIN_FREE_SHARE = 0.05;
/** A host that stays low on disk although it evicted caches tries to make room again after this time, ms. */
const RETRY_MS = 30_000;
/** The same if the eviction did free something. BuildKit may take seconds to delete what it has removed, so trying at once would evict too much. */
const SETTLE_MS = 5_000;
/** With less than this part of the minimum left, the host is reported as low on disk without waiting for what evictions bring. */
const URGENT = 0.5;

/** Keeps some of the disk free: evicts caches when too little is, and reports the host as low on disk while that isn't enough. */
export class DiskGuard {
  readonly #deps: DiskGuardDeps;
  #isLow = false;
  #making: Promise<void> | undefined;
  #nextTryAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(deps: DiskGuardDeps) {
    this.#deps = deps;
  }

  /** Measures now, and acts on it. */
  async check(): Promise<void> {
    const disk = await this.#deps.measure().catch(() => undefined);
    if (disk) this.measured(disk);
  }

  /** Acts on a measurement. */
  measured(disk: HostDisk): void {
    if (this.#closed) return;
    const level = this.#levelOf(disk);
    if (this.#making) {
      if (level.freeBytes < level.minFreeBytes * URGENT) this.#set(true, level);
      return;
    }
    if (!isLowOnDisk(level, this.#isLow)) {
      this.#nextTryAt = Number.NEGATIVE_INFINITY;
      this.#set(false, level);
      return;
    }
    if (this.#deps.now() < this.#nextTryAt) return;
    if (level.freeBytes < level.minFreeBytes * URGENT) this.#set(true, level);
    this.#making = this.#makeRoom(level).finally(() => {
      this.#making = undefined;
    });
  }

  /** Reports and evicts nothing any more. */
  close(): void {
    this.#closed = true;
  }

  async #makeRoom(level: FreeDisk): Promise<void> {
    const { log, measure, free, now } = this.#deps;
    const freedBytes = await free(bytesToFree(level));
    const disk = await measure().catch(() => undefined);
    const after = disk ? this.#levelOf(disk) : { ...level, freeBytes: level.freeBytes + freedBytes };
    log.info({ ...level, freedBytes, freeBytesAfter: after.freeBytes }, 'caches evicted: the disk was nearly full');
    const isLow = isLowOnDisk(after, this.#isLow);
    // Only after a try that wasn't enough: a disk that builds fill again at once needs room at once.
    if (isLow) this.#nextTryAt = now() + (freedBytes > 0 ? SETTLE_MS : RETRY_MS);
    this.#set(isLow, after);
  }

  #set(isLow: boolean, level: FreeDisk): void {
    if (this.#closed || isLow === this.#isLow) return;
    this.#isLow = isLow;
    const { log, onLow } = this.#deps;
    if (isLow) log.error({ ...level }, 'low on disk space; taking no builds until there is enough again');
    else log.info({ ...level }, 'enough disk space again; taking builds');
    // The next report contains it, too.
    onLow(isLow).catch((error: unknown) => log.warn({ err: error }, 'reporting the disk space failed'));
  }

  #levelOf({ totalBytes, freeBytes }: HostDisk): FreeDisk {
    const { minFreeDisk } = this.#deps;
    const minFreeBytes = minFreeDisk
      ? amountOf(minFreeDisk, totalBytes)
      : Math.min(DEFAULT_MIN_FREE_BYTES, totalBytes * DEFAULT_MIN_FREE_SHARE);
    return { freeBytes, minFreeBytes: Math.floor(minFreeBytes) };
  }
}
