export type { BlobInfo, BlobRange, BlobStore, ListedBlob, StoredBlob } from './blob-store.ts';
export { FsBlobStore } from './directory/fs-blob-store.ts';
export { BlobStoreUnavailable, BlobStoreUnfit } from './errors.ts';
export { noteUse, openUsed } from './note-use.ts';
export { type BlobPlace, openBlobs } from './open-blobs.ts';
export { s3Env, s3Options } from './settings.ts';
