export type { Adoption, BlobInfo, BlobRange, BlobStore, ListedBlob, StoredBlob } from './blob-store.ts';
export { FsBlobStore } from './directory/fs-blob-store.ts';
export { noteUse } from './note-use.ts';
export { NoSuchBeginning, TreeIncomplete } from './trees/errors.ts';
export type { Root, Swept } from './trees/sweep-team.ts';
export { TreeStore } from './trees/tree-store.ts';
export type { TreeLimits, TreeTotals } from './trees/tree-totals.ts';
export type { TreeWriter, Written } from './trees/tree-writer.ts';
