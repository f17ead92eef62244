import { parentPort } from 'node:worker_threads';
import { FileHasher, type HashedFile, type NotHashed } from './hash-file.ts';

/** What a worker thread answers to a list of paths: as many results, in their order. */
export type HashAnswer = readonly (HashedFile | NotHashed)[];

const port = parentPort;
const hasher = new FileHasher();

port?.on('message', async (paths: readonly (string | Uint8Array)[]) => {
  const results: (HashedFile | NotHashed)[] = [];
  for (const path of paths) results.push(await hasher.hash(path));
  port.postMessage(results satisfies HashAnswer);
});
