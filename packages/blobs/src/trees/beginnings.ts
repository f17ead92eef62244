import { rm } from 'node:fs/promises';
import type { Digest } from '@kiln/trees';

/** Shorter beginnings are sent again soon enough. */
const LEAST_BYTES = 1024 * 1024;
const MAX_BY_TEAM = 4;
const MAX_IN_ALL = 64;
/** How long an interrupted upload can be continued, ms. */
const KEPT_MS = 3_600_000;

/** Charges bytes to a team until the result is disposed of. */
export type Hold = (bytes: number) => Promise<AsyncDisposable>;

interface Beginning {
  readonly team: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly timer: NodeJS.Timeout;
  /** Disposed of when the file is deleted or handed over. */
  readonly charge: AsyncDisposable | undefined;
}

/**
 * The beginnings of large files whose upload was interrupted, as temporary files of this process; only their team can continue them. Their digests are
 * checked when they are complete. What a process that died leaves behind is deleted with other temporary files.
 */
export class Beginnings implements AsyncDisposable {
  /** By team and digest, the oldest first. */
  readonly #kept = new Map<string, Beginning>();

  /** Bytes of a file's beginning; 0 if there is none. */
  sizeOf(team: string, digest: Digest): number {
    return this.#kept.get(keyOf(team, digest))?.sizeBytes ?? 0;
  }

  /**
   * Takes over the file at `path`. Deletes it if it isn't worth keeping, or can't be charged to its team.
   * @param hold charges its bytes until the result is disposed of
   */
  async keep(team: string, digest: Digest, path: string, sizeBytes: number, hold: Hold | undefined): Promise<void> {
    const key = keyOf(team, digest);
    const isWorthIt = sizeBytes >= LEAST_BYTES && sizeBytes > this.sizeOf(team, digest);
    if (!isWorthIt) return rm(path, { force: true });
    const charge = await hold?.(sizeBytes).catch(() => 'refused' as const);
    if (charge === 'refused') return rm(path, { force: true });
    await this.#drop(key);
    const own = [...this.#kept].filter(([, kept]) => kept.team === team);
    const [oldest] = own.length >= MAX_BY_TEAM ? own : this.#kept.size >= MAX_IN_ALL ? this.#kept : [];
    if (oldest) await this.#drop(oldest[0]);
    const timer = setTimeout(() => void this.#drop(key).catch(() => {}), KEPT_MS).unref();
    this.#kept.set(key, { team, path, sizeBytes, timer, charge });
  }

  /** Hands the file over to the caller, who charges it from now on; undefined if there is none. */
  async take(team: string, digest: Digest): Promise<string | undefined> {
    const kept = this.#forget(keyOf(team, digest));
    await kept?.charge?.[Symbol.asyncDispose]();
    return kept?.path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const key of [...this.#kept.keys()]) await this.#drop(key);
  }

  async #drop(key: string): Promise<void> {
    const kept = this.#forget(key);
    if (!kept) return;
    await rm(kept.path, { force: true });
    await kept.charge?.[Symbol.asyncDispose]();
  }

  #forget(key: string): Beginning | undefined {
    const kept = this.#kept.get(key);
    clearTimeout(kept?.timer);
    this.#kept.delete(key);
    return kept;
  }
}

function keyOf(team: string, digest: Digest): string {
  return `${team} ${digest}`;
}
