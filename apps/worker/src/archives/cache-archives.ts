import { restoreArchive, type SnapshotTarget, storeArchive } from '@kiln/blobs';
import type { CacheArchive } from '@kiln/buildkit';
import type { BuildSpec } from '@kiln/contracts';
import { isCommit } from '@kiln/domain';
import type { Logger } from '@kiln/runtime';
import type { ArchiveIndex } from '@kiln/state';
import { type Digest, TreePartMissing, type TreeReader } from '@kiln/trees';

export interface CacheArchiveDeps {
  readonly index: Pick<ArchiveIndex, 'find' | 'save'>;
  /** Where the contents of a team's archives are stored. */
  target(team: string): SnapshotTarget;
  trees(team: string): TreeReader;
  readonly log: Logger;
  readonly now: () => number;
}

/** An attempt of a build with cache mode `archive`. */
export interface ArchivedBuild {
  readonly spec: Pick<BuildSpec, 'team' | 'source' | 'cache'>;
  /** Cache key of the repo: archives are never shared between teams, trust classes and repos. */
  readonly repo: string;
  /** Writes a line into the build's log. */
  note(message: string): Promise<void>;
}

/** The key of a build that names none, and has no ref: that of the default branch. */
const DEFAULT_KEY = 'default';
/** The archives to use if there is none of the build's own key. */
const FALLBACKS = [DEFAULT_KEY, 'main', 'master'];

/** Archives that are tried if the contents of others have expired. */
const MOST_TRIED = 3;

/** Returns the key of a build's archive. */
export function archiveKey({ source, cache }: Pick<BuildSpec, 'source' | 'cache'>): string {
  if (cache?.key !== undefined) return cache.key;
  const ref = source.type === 'git' ? source.ref : undefined;
  return ref === undefined || isCommit(ref) ? DEFAULT_KEY : ref.replace(/^refs\/heads\//, '');
}

/** Keeps the archives of builds' caches in the pool's blob store. What goes wrong with one is noted in the build's log, and fails no build. */
export class CacheArchives {
  readonly #deps: CacheArchiveDeps;

  constructor(deps: CacheArchiveDeps) {
    this.#deps = deps;
  }

  of(build: ArchivedBuild): CacheArchive {
    const key = archiveKey(build.spec);
    return {
      restore: (dir, signal) => this.#restore(build, key, dir, signal),
      save: (dir) => this.#save(build, key, dir),
    };
  }

  async #restore({ spec, repo, note }: ArchivedBuild, key: string, dir: string, signal: AbortSignal): Promise<boolean> {
    const { index, trees, now, log } = this.#deps;
    const startedAt = now();
    try {
      const found = await index.find(repo, [key, ...(spec.cache?.fallbackKeys ?? []), ...FALLBACKS]);
      for (const one of found.slice(0, MOST_TRIED)) {
        if (!(await isRestored(trees(spec.team), one.root as Digest, dir, signal))) continue;
        await note(`archive of caches ${one.key} restored: ${megabytes(one.bytes)} in ${now() - startedAt} ms`);
        return true;
      }
      await note(
        found.length === 0 ? 'no archive of caches yet' : 'archive of caches not restored: it is no longer stored',
      );
      return false;
    } catch (error) {
      if (signal.aborted) return false;
      log.warn({ err: error, repo, key }, 'archive of caches not restored');
      await note(`archive of caches not restored: ${messageOf(error)}`);
      return false;
    }
  }

  async #save({ spec, repo, note }: ArchivedBuild, key: string, dir: string): Promise<void> {
    const { index, target, now, log } = this.#deps;
    const startedAt = now();
    try {
      const { root, bytes, newBytes } = await storeArchive(target(spec.team), dir);
      // Only now does anyone find it.
      await index.save(repo, key, { root, bytes, savedAt: now() });
      const took = now() - startedAt;
      await note(
        `archive of caches ${key} saved: ${megabytes(bytes)}, of which ${megabytes(newBytes)} are new, in ${took} ms`,
      );
    } catch (error) {
      log.warn({ err: error, repo, key }, 'archive of caches not saved');
      await note(`archive of caches not saved: ${messageOf(error)}`);
    }
  }
}

/** Returns false, and leaves nothing, if the archive's contents have expired. */
async function isRestored(trees: TreeReader, root: Digest, dir: string, signal: AbortSignal): Promise<boolean> {
  try {
    await restoreArchive(trees, root, dir, signal);
    return true;
  } catch (error) {
    if (error instanceof TreePartMissing && !signal.aborted) return false;
    throw error;
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
