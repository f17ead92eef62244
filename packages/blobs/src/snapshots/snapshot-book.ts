import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { SNAPSHOT_FORMAT, type SnapshotView, snapshotView } from '@kiln/contracts';
import type { Digest } from '@kiln/trees';
import type { BlobStore } from '../blob-store.ts';
import type { Root } from '../trees/sweep-team.ts';

/** Prefix of the records of snapshots. */
const SNAPSHOTS = 'snapshots';
/** The tree's digest is a part of the key, so that the sweep of trees reads no record. */
const KEY = /^snapshots\/([a-z0-9-]+)\/([0-9a-z]{26})-([0-9a-f]{64})\.json$/;
/** A use is noted again after this time, ms. */
const USE_MS = 60 * 60_000;

type Blobs = Pick<BlobStore, 'put' | 'open' | 'list' | 'touch' | 'delete'>;

interface Named {
  readonly key: string;
  readonly team: string;
  readonly id: string;
  readonly root: Digest;
  readonly usedAt: number;
}

/** The records of teams' snapshots. Their content is in the team's trees, which are kept as long as there is a record. */
export class SnapshotBook {
  readonly #blobs: Blobs;

  constructor(blobs: Blobs) {
    this.#blobs = blobs;
  }

  /** Records a snapshot whose tree is stored. Repeating it changes nothing. */
  async add(snapshot: Omit<SnapshotView, 'format'>): Promise<SnapshotView> {
    const record = { format: SNAPSHOT_FORMAT, ...snapshot };
    const key = `${SNAPSHOTS}/${record.team}/${record.id}-${record.root.slice('sha256:'.length)}.json`;
    await this.#blobs.put(key, Readable.from([Buffer.from(JSON.stringify(record))]));
    return record;
  }

  /** Returns snapshots, the newest first. Records that this version can't read are left out. @param team default: of all teams */
  async list(team?: string): Promise<SnapshotView[]> {
    const named = await Array.fromAsync(this.#named(team));
    const records = await Promise.all(named.sort((a, b) => (a.id < b.id ? 1 : -1)).map((one) => this.#read(one)));
    return records.filter((record) => record !== undefined);
  }

  /** Returns a snapshot, and notes that it is used; undefined if there is none. */
  async find(id: string, team?: string): Promise<SnapshotView | undefined> {
    for await (const one of this.#named(team)) {
      if (one.id !== id) continue;
      await this.#blobs.touch(one.key, USE_MS);
      return this.#read(one);
    }
    return undefined;
  }

  async delete(id: string, team?: string): Promise<void> {
    for await (const { key, id: other } of this.#named(team)) if (other === id) await this.#blobs.delete(key);
  }

  /**
   * Deletes the records of snapshots that were not used since `unusedSince` (ms since the epoch), and of each repo and trust class all but the newest ones.
   * Returns the number.
   */
  async prune({ unusedSince, keep }: { readonly unusedSince: number; readonly keep: number }): Promise<number> {
    const named = (await Array.fromAsync(this.#named(undefined))).sort((a, b) => (a.id < b.id ? 1 : -1));
    const seen = new Map<string, number>();
    let deleted = 0;
    for (const one of named) {
      const record = await this.#read(one);
      // One of a newer version is kept.
      if (!record) continue;
      const owner = JSON.stringify([record.team, record.trust, record.repo]);
      const newer = seen.get(owner) ?? 0;
      if (one.usedAt >= unusedSince && newer < keep) seen.set(owner, newer + 1);
      else {
        await this.#blobs.delete(one.key);
        deleted += 1;
      }
    }
    return deleted;
  }

  /** Yields the trees of a team's snapshots. */
  async *roots(team: string): AsyncGenerator<Root> {
    for await (const { root } of this.#named(team)) yield { kind: 'directory', digest: root };
  }

  async *#named(team: string | undefined): AsyncGenerator<Named> {
    for await (const { key, usedAt } of this.#blobs.list(team === undefined ? SNAPSHOTS : `${SNAPSHOTS}/${team}`)) {
      const [, of, id, hex] = KEY.exec(key) ?? [];
      if (of !== undefined && id !== undefined) yield { key, team: of, id, root: `sha256:${hex}`, usedAt };
    }
  }

  async #read({ key, team, root }: Named): Promise<SnapshotView | undefined> {
    const stream = await this.#blobs.open(key);
    if (!stream) return undefined;
    const parsed = snapshotView.safeParse(JSON.parse(await text(stream)));
    return parsed.success && parsed.data.team === team && parsed.data.root === root ? parsed.data : undefined;
  }
}
