import { type HostInventory, MAX_PUBLISHED_MOUNTS, MAX_PUBLISHED_REPOS } from '@kiln/contracts';
import { type AttemptWindow, layersUsed, mountsUsed } from '@kiln/domain';
import type { Logger } from '@kiln/runtime';
import type { HostWriter, InventoryStore, UsageStore } from '@kiln/state';
import type { ExecutorInventory } from '../engine/executor.ts';
import type { AttemptReading } from './attempt-reading.ts';
import type { LayerLedger } from './layer-ledger.ts';

/** An attempt that has ended: its repo, when it ran, and the namespace of its mounts. */
export interface EndedAttempt extends AttemptWindow {
  readonly repo: string;
  /** Called with the first reading in which BuildKit has released the attempt's mounts. Must not throw. */
  onRead?(reading: AttemptReading): void;
}

export interface CacheReporterDeps {
  readonly writer: HostWriter;
  /** @throws if BuildKit doesn't answer */
  inventory(): Promise<ExecutorInventory>;
  readonly inventories: Pick<InventoryStore, 'publish'>;
  readonly usages: UsageStore;
  readonly ledger: LayerLedger;
  /**
   * Called for each attempt whose cache usage has been learned. `share`: the part of what it used that was there before it began, 0 to 1.
   */
  learned?(attempt: EndedAttempt, share: number): Promise<void>;
  readonly log: Logger;
}

export const DEFAULT_INVENTORY_EVERY_MS = 60_000;

/** How many ended attempts may wait while BuildKit doesn't answer; older ones are dropped. */
const MAX_WAITING = 200;
/**
 * Delay before mounts that are still in use are read again, ms. BuildKit releases a mount shortly after buildx has ended, on a busy machine
 * seconds later, and reports its size only then. A usage without sizes would stay wrong until the repo's next build.
 */
const SETTLE_MS = 300;
const MAX_SETTLES = 30;

/** After a reading BuildKit is left alone for this multiple of its duration, so that many small builds don't keep it busy. */
const REST_FACTOR = 3;
const MAX_REST_MS = 3_000;

interface Waiting {
  readonly attempt: EndedAttempt;
  /** How many readings found its mounts still in use. */
  readonly settles: number;
}

/**
 * Reads the contents of a builder's caches and reports them to the pool: at the start, after each attempt, and at intervals, because BuildKit
 * may evict at any time. No build waits for this or fails by it.
 */
export class CacheReporter {
  readonly #deps: CacheReporterDeps;
  readonly #everyMs: number;
  /** When each mount and layer was first read, ms since the epoch. */
  #seenSince: ReadonlyMap<string, number> = new Map();
  #waiting: Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #again = false;
  #changed = false;
  /** Whether the last round has failed. */
  #failed = false;
  /** performance.now() */
  #restUntil = 0;
  #closing = false;
  #closed = false;
  #last: ExecutorInventory | undefined;

  constructor(deps: CacheReporterDeps, everyMs: number) {
    this.#deps = deps;
    this.#everyMs = everyMs;
  }

  /** The last reading. */
  get last(): ExecutorInventory | undefined {
    return this.#last;
  }

  /** Whether something has changed since the last report. A report that fails isn't waited for. */
  get isBehind(): boolean {
    return this.#round !== undefined || (!this.#failed && (this.#changed || this.#waiting.length > 0));
  }

  /**
   * Returns whether the last reading has layers or cache mounts of a repo; undefined if that isn't known yet.
   * @param namespace of its mounts, if no other repo uses it
   */
  isWarm(repo: string, namespace: string | undefined): boolean | undefined {
    if (!this.#last || this.#waiting.some(({ attempt }) => attempt.repo === repo)) return undefined;
    const { mounts, layers } = this.#last;
    if (namespace !== undefined && mounts.some(({ id }) => id.startsWith(`${namespace}/`))) return true;
    return this.#deps.ledger.held(layers).some((held) => held.repo === repo);
  }

  /** Reads and reports, unless that is already happening. */
  wanted(): void {
    if (!this.#round) this.now();
  }

  /** Reads and reports now, or as soon as BuildKit has rested after the last reading. */
  now(): void {
    if (this.#closed) return;
    if (this.#round) {
      this.#again = true;
      return;
    }
    const rest = this.#closing ? 0 : this.#restUntil - performance.now();
    if (rest > 0) this.#in(rest);
    else this.#begin();
  }

  #begin(): void {
    clearTimeout(this.#timer);
    this.#round = this.#report().finally(() => {
      this.#round = undefined;
      if (this.#closed) return;
      const again = this.#again;
      this.#again = false;
      if (again) this.now();
      else this.#in(this.#waiting.some(({ settles }) => settles > 0) ? SETTLE_MS : this.#everyMs);
    });
  }

  #in(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.now(), Math.min(ms, this.#everyMs));
  }

  /** Reads and reports a change that no attempt has caused; `close` waits for it. */
  changed(): void {
    this.#changed = true;
    this.now();
  }

  attemptEnded(attempt: EndedAttempt): void {
    this.#waiting.push({ attempt, settles: 0 });
    this.now();
  }

  /** Stops after the attempts that have ended are reported, or that has failed, or `withinMs` has passed. */
  async close(withinMs: number): Promise<void> {
    this.#closing = true;
    if (this.#waiting.length > 0 || this.#changed) this.now();
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(timeout.resolve, withinMs);
    await Promise.race([this.#idle(), timeout.promise]);
    clearTimeout(timer);
    this.abandon();
  }

  /** Stops without a last report. */
  abandon(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #idle(): Promise<void> {
    while (this.#round) await this.#round;
  }

  async #report(): Promise<void> {
    const { log, writer, inventories } = this.#deps;
    let read: ExecutorInventory;
    const waiting = this.#waiting.splice(0);
    const began = performance.now();
    this.#changed = false;
    this.#failed = true;
    try {
      read = await this.#deps.inventory();
      this.#last = read;
      const tookMs = performance.now() - began;
      this.#restUntil = began + tookMs + Math.min(MAX_REST_MS, tookMs * REST_FACTOR);
    } catch (error) {
      this.#waiting = [...waiting, ...this.#waiting].slice(-MAX_WAITING);
      return log.warn({ err: error }, 'reading the caches failed');
    }
    this.#see(read);
    try {
      await this.#learn(waiting, read);
      const outcome = await inventories.publish(writer, this.#inventoryOf(read), read.readAt);
      this.#failed = false;
      log.debug({ outcome, usedBytes: read.usedBytes, mounts: read.mounts.length }, 'caches reported');
    } catch (error) {
      log.warn({ err: error }, 'reporting the caches failed');
    }
  }

  async #learn(waiting: readonly Waiting[], read: ExecutorInventory): Promise<void> {
    let learned = 0;
    try {
      for (const one of waiting) {
        await this.#learnOne(one, read);
        learned += 1;
      }
    } finally {
      // If Redis has failed, the rest is learned with the next reading.
      this.#waiting = [...waiting.slice(learned), ...this.#waiting].slice(-MAX_WAITING);
    }
    if (waiting.length > 0) await this.#saveLedger();
  }

  async #learnOne({ attempt, settles }: Waiting, read: ExecutorInventory): Promise<void> {
    const { ledger, usages, writer } = this.#deps;
    const mounts = mountsUsed(read.mounts, attempt);
    if (mounts.some(({ inUse, bytes }) => inUse && bytes === 0) && settles < MAX_SETTLES && !this.#closing) {
      this.#waiting.push({ attempt, settles: settles + 1 });
      return;
    }
    const lost = ledger.lost(attempt.repo, read.layers);
    attempt.onRead?.({ sizesAreFloors: read.sizesAreFloors, mounts, layers: lost });
    const layers = layersUsed(read.layers, attempt);
    if (mounts.length === 0 && layers.length === 0) return;
    ledger.learn(attempt.repo, layers, attempt.endedAt);
    await usages.learn(writer, attempt.repo, {
      mounts: mounts.map(({ id, bytes }) => ({ id, bytes })),
      layerBytes: sum(layers),
      sizesAreFloors: read.sizesAreFloors,
    });
    await this.#deps.learned?.(attempt, this.#shareBefore([...mounts, ...layers], attempt.startedAt));
  }

  /** The part of `used`, by bytes, that an earlier reading than the attempt's start has seen. */
  #shareBefore(used: readonly { readonly id: string; readonly bytes: number }[], startedAt: number): number {
    const before = used.filter(({ id }) => (this.#seenSince.get(id) ?? startedAt) < startedAt);
    return before.length === 0 ? 0 : sum(before) / Math.max(1, sum(used));
  }

  /** Remembers since when each mount and layer is known. */
  #see({ mounts, layers, readAt }: ExecutorInventory): void {
    this.#seenSince = new Map([...mounts, ...layers].map(({ id }) => [id, this.#seenSince.get(id) ?? readAt]));
  }

  /** A failure is only logged: without the file, repos look colder after a restart than they are. */
  async #saveLedger(): Promise<void> {
    try {
      await this.#deps.ledger.save();
    } catch (error) {
      this.#deps.log.warn({ err: error }, 'saving the layer ledger failed');
    }
  }

  #inventoryOf({ sizesAreFloors, usedBytes, mounts, layers }: ExecutorInventory): HostInventory {
    const latest = [...mounts].sort((a, b) => b.lastUsedAt - a.lastUsedAt || (a.id < b.id ? -1 : 1));
    return {
      sizesAreFloors,
      usedBytes,
      mounts: latest.slice(0, MAX_PUBLISHED_MOUNTS).map(({ id, bytes, lastUsedAt, inUse, records }) => ({
        id,
        bytes,
        lastUsedAt,
        inUse,
        records: records.length,
      })),
      mountsLeftOut: Math.max(0, latest.length - MAX_PUBLISHED_MOUNTS),
      layers: { count: layers.length, bytes: sum(layers) },
      repoLayers: this.#deps.ledger.held(layers).slice(0, MAX_PUBLISHED_REPOS),
    };
  }
}

function sum(records: readonly { readonly bytes: number }[]): number {
  return records.reduce((total, { bytes }) => total + bytes, 0);
}
