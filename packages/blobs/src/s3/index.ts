export { explainUnfit } from './explain-unfit.ts';
export { S3BlobStore } from './s3-blob-store.ts';
