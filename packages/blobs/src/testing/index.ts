export { type Fault, FaultyProxy } from './faulty-proxy.ts';
export { type StoreUnderTest, testBlobStore } from './test-blob-store.ts';
export { TestS3, type TestS3Options } from './test-s3.ts';
