export { restoreArchive, type StoredArchive, storeArchive } from './archives/directory-archive.ts';
export type { Adoption, BlobInfo, BlobRange, BlobStore, ListedBlob, StoredBlob } from './blob-store.ts';
export { FsBlobStore } from './directory/fs-blob-store.ts';
export { BlobStoreUnavailable, BlobStoreUnfit } from './errors.ts';
export { noteUse, openUsed } from './note-use.ts';
export { type BlobPlace, openBlobs } from './open-blobs.ts';
export { s3Env, s3Options } from './settings.ts';
export { mountContent, readManifest, SnapshotInvalid } from './snapshots/read-snapshot.ts';
export { SnapshotBook } from './snapshots/snapshot-book.ts';
export {
  checkSnapshotFile,
  storeSnapshotFile,
  writeSnapshotFile,
} from './snapshots/snapshot-file.ts';
export { type SnapshotTarget, SnapshotWriter } from './snapshots/write-snapshot.ts';
export { NoSuchBeginning, TreeIncomplete } from './trees/errors.ts';
export { storedTrees } from './trees/stored-reader.ts';
export type { Root, Swept } from './trees/sweep-team.ts';
export { TreeStore } from './trees/tree-store.ts';
export type { TreeLimits, TreeTotals } from './trees/tree-totals.ts';
export type { TreeWriter, Written } from './trees/tree-writer.ts';
