import { type BlobStore, SnapshotBook, type SnapshotTarget, TreeStore } from '@kiln/blobs';
import { teamTreesKey } from '@kiln/contracts';
import { lowest } from '@kiln/domain';
import type { MeteredBlobs, State } from '@kiln/state';
import { snapshotRecord } from './snapshot-record.ts';
import type { SavedSnapshot, SnapshotStore } from './snapshot-store.ts';

/**
 * What counts as stored, ms since its last use. The API's retention isn't known here, and is an hour at least: what is older may be about to be deleted, and
 * is stored again.
 */
const HORIZON_MS = 60 * 60_000;
const MAX_ENTRIES = 2_000_000;

type Deps = Pick<State, 'treeLocks' | 'limits'>;

/** Snapshots in a blob store that this process can reach itself. They are charged to their team. */
export class StoredSnapshots implements SnapshotStore {
  readonly #book: SnapshotBook;
  readonly #trees: TreeStore;
  readonly #metered: MeteredBlobs;
  readonly #deps: Deps;

  constructor(store: BlobStore, metered: MeteredBlobs, deps: Deps) {
    this.#metered = metered;
    this.#deps = deps;
    this.#book = new SnapshotBook(store);
    this.#trees = new TreeStore({
      blobs: store,
      horizonMs: HORIZON_MS,
      exclusively: (team, work) => deps.treeLocks.exclusively(team, work),
      now: Date.now,
    });
  }

  target(team: string): SnapshotTarget {
    return {
      missingFiles: async (files) =>
        (await this.#trees.missing(team, { directories: [], files })).files.map(({ digest }) => digest),
      store: async (parts) => {
        const { storedBytes } = (await this.#deps.limits.all()).get(`team:${team}`) ?? {};
        const quotaBytes = lowest(storedBytes);
        await using upload = await this.#metered.beginUpload({ share: { team, quotaBytes } });
        await using writer = this.#trees.write({
          ...{ team, limits: { maxEntries: MAX_ENTRIES, maxFileBytes: Number.MAX_SAFE_INTEGER } },
          take: (bytes) => upload.take(bytes),
        });
        for (const part of parts) await writer.add(part);
        await writer.flush();
        await upload.settleInto(teamTreesKey(team), writer.written.newBytes);
      },
    };
  }

  add(snapshot: SavedSnapshot) {
    return this.#book.add(snapshotRecord(snapshot));
  }

  find(id: string) {
    return this.#book.find(id);
  }
}
