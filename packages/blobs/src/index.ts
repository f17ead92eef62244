export type { BlobInfo, BlobRange, BlobStore, ListedBlob, StoredBlob } from './blob-store.ts';
export { FsBlobStore } from './directory/fs-blob-store.ts';
export { noteUse } from './note-use.ts';
