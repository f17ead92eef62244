import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConnectBuildkit } from '../control/buildkit-connection.ts';
import { BuildkitControl } from '../control/buildkit-control.ts';
import type { UsageRecord } from '../control/control-messages.ts';
import { mountId } from '../control/inventory.ts';
import { replaceFile } from '../trees/replace-file.ts';

/** How long BuildKit may need to end a run whose buildx is gone, ms. */
const PATIENCE_MS = 30_000;
const RETRY_MS = 200;
const MOUNT = 'exec.cachemount';

/** Records of a run that was cut off are still in use. */
export class LeftoversInUse extends Error {
  constructor(records: number) {
    super(`${records} records of a cache snapshot that was cut off are still in use in BuildKit`);
    this.name = 'LeftoversInUse';
  }
}

/**
 * What runs on cache mounts leave in BuildKit, which is temporary, and the journal of runs that haven't ended. A run is in the journal before it begins, so
 * that whatever ends it, the mount that it had filled in part is removed before the domain's next build.
 */
export class Leftovers {
  readonly #dir: string;
  readonly #connect: ConnectBuildkit;
  readonly #beforePrune: (control: BuildkitControl) => Promise<void>;
  /** Marks of runs that were cut off, and whose records aren't removed yet. */
  readonly #cut = new Set<string>();
  #clearing: Promise<void> | undefined;

  /** @param dir directory of the journal; created when it is needed @param beforePrune called before records are removed; doesn't throw */
  constructor(
    dir: string,
    connect: ConnectBuildkit,
    beforePrune: (control: BuildkitControl) => Promise<void> = async () => {},
  ) {
    this.#dir = dir;
    this.#connect = connect;
    this.#beforePrune = beforePrune;
  }

  /** Removes what runs of an earlier process left. @throws LeftoversInUse @throws BuildkitError @throws EngineError */
  async recover(): Promise<void> {
    const names = await readdir(this.#dir).catch(() => []);
    for (const name of names) if (!name.endsWith('.new')) this.#cut.add(name);
    await this.clear();
  }

  /** Notes a run durably. */
  async begin(mark: string): Promise<void> {
    await mkdir(this.#dir, { recursive: true });
    await replaceFile(join(this.#dir, mark), '', true);
  }

  /** Removes what a run left, except the cache mount that it made if `keepsMount`. Doesn't throw: what fails is tried again before the next build. */
  async end(mark: string, keepsMount: boolean): Promise<void> {
    if (keepsMount) {
      await this.#forget(mark);
      await this.#remove(mark, true, 0).catch(() => undefined);
      return;
    }
    this.#cut.add(mark);
    await this.clear().catch(() => undefined);
  }

  /** Removes what runs that were cut off left. @throws LeftoversInUse @throws BuildkitError @throws EngineError */
  async clear(): Promise<void> {
    if (this.#cut.size === 0) return;
    this.#clearing ??= this.#clear().finally(() => {
      this.#clearing = undefined;
    });
    await this.#clearing;
  }

  /** Returns the mounts that a run has made. */
  async mountsOf(mark: string): Promise<readonly UsageRecord[]> {
    await using control = await BuildkitControl.open(this.#connect);
    return (await control.diskUsage()).filter((record) => record.type === MOUNT && isOf(record, mark));
  }

  /** Whether a build is using the mount with this id. */
  async isInUse(id: string): Promise<boolean> {
    await using control = await BuildkitControl.open(this.#connect);
    return (await control.diskUsage()).some(
      (record) => record.type === MOUNT && record.inUse && mountId(record) === id,
    );
  }

  async #clear(): Promise<void> {
    for (const mark of [...this.#cut]) {
      await this.#remove(mark, false, PATIENCE_MS);
      this.#cut.delete(mark);
      await this.#forget(mark);
    }
  }

  async #forget(mark: string): Promise<void> {
    await rm(join(this.#dir, mark), { force: true });
  }

  async #remove(mark: string, keepsMount: boolean, patienceMs: number): Promise<void> {
    const end = performance.now() + patienceMs;
    await using control = await BuildkitControl.open(this.#connect);
    await this.#beforePrune(control);
    for (;;) {
      const left = (await control.diskUsage()).filter(
        (record) => isOf(record, mark) && !(keepsMount && record.type === MOUNT),
      );
      if (left.length === 0) return;
      const removed = await control.prune(left.map(({ id }) => id));
      if (removed.length === left.length) return;
      if (performance.now() >= end) throw new LeftoversInUse(left.length - removed.length);
      if (removed.length === 0) await delay(RETRY_MS);
    }
  }
}

function isOf({ description }: UsageRecord, mark: string): boolean {
  return description.includes(mark);
}
