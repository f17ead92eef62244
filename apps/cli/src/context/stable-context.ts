import type { TimedEntries } from '@kiln/contracts';
import type { Digest } from '@kiln/trees';
import { UsageError } from '../io/errors.ts';
import { endOfStage } from '../io/stages.ts';
import { type ContextDirectory, eachFile } from './context-tree.ts';
import type { DigestCache } from './digests/digest-cache.ts';
import { hashContext, hashDirectories } from './digests/hash-context.ts';
import type { HashFilesOptions } from './digests/hash-files.ts';
import { type EncodedContext, encodeContext, timesOf } from './encode-context.ts';
import { ContextChanged } from './read-errors.ts';
import type { OtherFile } from './sending/context-parts.ts';

/** A context that was read and can be sent. */
export interface ReadContext extends EncodedContext {
  /** Digest of the file of its times, if that was asked for and there are any. */
  readonly times: Digest | undefined;
  /** Files to send that aren't part of the tree. */
  readonly others: readonly OtherFile[];
  /** Whether an earlier build of the context sent other ones instead, so that the server probably has the tree, but not these. */
  readonly areOthersNew: boolean;
}

export interface StableContextOptions extends Pick<HashFilesOptions, 'signal' | 'onProgress'> {
  readonly tree: ContextDirectory;
  /** Lists the context again. */
  readonly listAgain: () => Promise<ContextDirectory>;
  readonly cache: DigestCache;
  /** Which times are sent too; undefined for none. */
  readonly times: TimedEntries | undefined;
}

const TRIES = 3;
/** Most submissions take less. Saving takes time in which their answers can't be read. */
const SAVE_AFTER_MS = 500;

/**
 * Reads a context and passes it to `use`. If something in it changes before `use` is done with it, does both again with the context as it is then.
 * @throws UsageError if the context keeps changing, or can't be read @throws what `use` throws
 */
export async function withStableContext<T>(
  options: StableContextOptions,
  use: (context: ReadContext) => Promise<T>,
): Promise<T> {
  const { cache, listAgain } = options;
  let { tree } = options;
  for (let tries = 1; ; tries += 1) {
    try {
      await hashContext(tree, cache, options);
      endOfStage('digests');
      const file = options.times && timesOf(tree, options.times);
      const times = file && file.bytes.length > 0 ? file : undefined;
      const encoded = encodeContext(tree, {
        putDirectory: (directory, digest) => cache.putDirectory(directory, digest),
        forgetDirectories: () => cache.forgetDirectories(),
        hashFilesOf: (directory) => hashDirectories([directory], cache, options),
      });
      endOfStage('encoding');
      const areOthersNew = times !== undefined && cache.noteTimes(times.digest);
      const using = use({ ...encoded, times: times?.digest, others: times ? [times] : [], areOthersNew });
      return await saveBeside(using, () => cache.save(tree));
    } catch (error) {
      // Files that were read needn't be read again.
      if (!(error instanceof ContextChanged)) {
        await cache.save(tree);
        throw error;
      }
      await forget(error, tree, cache);
      if (tries === TRIES)
        throw new UsageError(`${error.message}, ${TRIES} times; make sure that nothing writes to the context`);
      tree = await listAgain();
    }
  }
}

/** Saves when something is done, or before if that takes long: then an upload that is cut off needn't read files again. */
async function saveBeside<T>(using: Promise<T>, save: () => Promise<void>): Promise<T> {
  let saving: Promise<void> | undefined;
  const timer = setTimeout(() => {
    saving = save();
  }, SAVE_AFTER_MS);
  return await using.finally(async () => {
    clearTimeout(timer);
    await saving;
    await save();
  });
}

/** Forgets a file's digest, which is wrong although the file looks as it did. */
async function forget({ path }: ContextChanged, tree: ContextDirectory, cache: DigestCache): Promise<void> {
  eachFile(tree, (key, { content }) => {
    if ('path' in content && content.path === path) cache.forget(key);
  });
  cache.forgetDirectories();
  await cache.save(tree);
}
