import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import type { SystemPath } from '../system-path.ts';
import { FileHasher, type HashedFile, type NotHashed } from './hash-file.ts';

const SOURCE = new URL('./hash-worker.ts', import.meta.url);
/** The worker threads' script: in a bundle it is a file beside this one. */
const WORKER = import.meta.url.endsWith('.ts') ? SOURCE : new URL('./hash-worker.js', import.meta.url);

const MAX_THREADS = 4;
/** Less than this is hashed sooner than threads have started. */
const FEW_FILES = 200;
const FEW_BYTES = 16 * 1024 * 1024;
/** What a thread gets at a time. */
const BATCH_FILES = 64;
const BATCH_BYTES = 8 * 1024 * 1024;

export interface FileToHash {
  readonly path: SystemPath;
  /** Approximate, for dividing the work. */
  readonly sizeBytes: number;
}

export interface HashFilesOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with how many bytes have been read so far, and of how many. */
  readonly onProgress?: ((bytes: number, totalBytes: number) => void) | undefined;
  /** For tests. */
  readonly worker?: URL | undefined;
  readonly threads?: number | undefined;
}

type Result = HashedFile | NotHashed;

/**
 * Hashes files, in worker threads if that is worth their start. Where those can't run, in this thread. The results are in the order of `files`.
 * @throws the signal's reason
 */
export async function hashFiles(files: readonly FileToHash[], options: HashFilesOptions = {}): Promise<Result[]> {
  const work = new Work(files, options);
  const few = files.length < FEW_FILES && work.totalBytes < FEW_BYTES;
  const threads = Math.min(options.threads ?? (few ? 0 : availableParallelism()), MAX_THREADS, work.batches);
  await Promise.all(Array.from({ length: threads }, () => hashInThread(work, options)));
  // All, or what threads left over.
  await hashHere(work);
  return work.results();
}

/** The files that are still to be hashed, and the results. */
class Work {
  readonly #files: readonly FileToHash[];
  readonly #options: HashFilesOptions;
  readonly #results: Result[];
  readonly #left: [from: number, to: number][];
  #doneBytes = 0;
  readonly totalBytes: number;

  constructor(files: readonly FileToHash[], options: HashFilesOptions) {
    this.#files = files;
    this.#options = options;
    this.#results = new Array(files.length);
    this.totalBytes = bytesOf(files);
    this.#left = batchesOf(files).reverse();
  }

  get batches(): number {
    return this.#left.length;
  }

  /** Hands out the next files, which `hash` hashes; if it can't, they are left to others. Returns whether there was any. @throws the signal's reason */
  async next(hash: (paths: readonly SystemPath[]) => Promise<readonly Result[] | undefined>): Promise<boolean> {
    this.#options.signal?.throwIfAborted();
    const batch = this.#left.pop();
    if (!batch) return false;
    const files = this.#files.slice(...batch);
    const results = await hash(files.map(({ path }) => path));
    if (!results) {
      this.#left.push(batch);
      return false;
    }
    results.forEach((result, i) => {
      this.#results[batch[0] + i] = result;
    });
    this.#doneBytes += bytesOf(files);
    this.#options.onProgress?.(this.#doneBytes, this.totalBytes);
    return true;
  }

  results(): Result[] {
    return this.#results;
  }
}

function bytesOf(files: readonly FileToHash[]): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function batchesOf(files: readonly FileToHash[]): [from: number, to: number][] {
  const batches: [number, number][] = [];
  let from = 0;
  let bytes = 0;
  files.forEach(({ sizeBytes }, i) => {
    bytes += sizeBytes;
    if (i + 1 - from < BATCH_FILES && bytes < BATCH_BYTES && i + 1 < files.length) return;
    batches.push([from, i + 1]);
    from = i + 1;
    bytes = 0;
  });
  return batches;
}

async function hashHere(work: Work): Promise<void> {
  const hasher = new FileHasher();
  const hash = async (paths: readonly SystemPath[]) => {
    const results: Result[] = [];
    for (const path of paths) results.push(await hasher.hash(path));
    await nextTurn();
    return results;
  };
  while (await work.next(hash));
}

/** Returns undefined where threads aren't allowed. */
async function threadOf(script: URL): Promise<Worker | undefined> {
  const { Worker } = await import('node:worker_threads');
  try {
    return new Worker(script, { stderr: true });
  } catch {
    return undefined;
  }
}

/** Returns when all is hashed, or when the thread doesn't work. */
async function hashInThread(work: Work, { signal, worker = WORKER }: HashFilesOptions): Promise<void> {
  const thread = await threadOf(worker);
  if (!thread) return;
  // A thread without its script ends with an error event, which `once` rejects with.
  thread.on('error', () => {});
  const stopped = new AbortController();
  thread.once('exit', () => stopped.abort());
  const stop = () => void thread.terminate();
  signal?.addEventListener('abort', stop, { once: true });
  const hash = async (paths: readonly SystemPath[]) => {
    thread.postMessage(paths);
    try {
      const [results] = (await once(thread, 'message', { signal: stopped.signal })) as [readonly Result[]];
      return results;
    } catch {
      signal?.throwIfAborted();
      return undefined;
    }
  };
  try {
    while (await work.next(hash));
  } finally {
    signal?.removeEventListener('abort', stop);
    await thread.terminate();
  }
}
