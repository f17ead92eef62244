import type { SnapshotTarget } from '@kiln/blobs';
import type { SnapshotManifest, SnapshotView } from '@kiln/contracts';

/** A complete snapshot that a worker has stored. */
export interface SavedSnapshot extends Pick<SnapshotView, 'id' | 'repo' | 'team' | 'trust' | 'root'> {
  readonly host: string;
  readonly manifest: SnapshotManifest;
}

/** The pool's snapshots, as a worker reaches them: in the blob store, or through the API. */
export interface SnapshotStore {
  /** Where the content of a team's snapshots is stored. */
  target(team: string): SnapshotTarget;
  /** Records a snapshot whose content is stored. */
  add(snapshot: SavedSnapshot): Promise<SnapshotView>;
  /** Returns a snapshot; undefined if there is none. */
  find(id: string): Promise<SnapshotView | undefined>;
}
