export { type StoreUnderTest, testBlobStore } from './test-blob-store.ts';
