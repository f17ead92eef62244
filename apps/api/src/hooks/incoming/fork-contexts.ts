import { repoOrigin } from '@kiln/domain';
import { archiveCommit, GitFailed, type GitGuard, type GitLimits, type GitSource, resolveRef } from '@kiln/git';
import type { StorageShare } from '@kiln/state';
import {
  type StagedContext,
  type StagingDeps,
  type StagingLimits,
  stageContext,
} from '../../contexts/stage-context.ts';

export interface ForkContextDeps extends StagingDeps {
  readonly git: GitLimits & { readonly guard: GitGuard };
  readonly limits: StagingLimits;
  readonly signal: AbortSignal;
}

/**
 * The files of a fork's commit in a private repository. A fork's build is untrusted, so it must not get the credential with which its
 * repository is cloned: anything in the build could read it. Instead, Kiln fetches the commit itself, through the base repository, whose
 * credential it has, and passes the files to the build as an uploaded context.
 */
export class ForkContexts {
  readonly #source: GitSource;
  readonly #deps: ForkContextDeps;

  private constructor(source: GitSource, deps: ForkContextDeps) {
    this.#source = source;
    this.#deps = deps;
  }

  /** Undefined if the repository can be cloned without credentials, or if there are none. @throws GitFailed @throws the signal's reason */
  static async ifPrivate(source: GitSource, deps: ForkContextDeps): Promise<ForkContexts | undefined> {
    if (source.credentials === undefined) return undefined;
    try {
      await resolveRef({ url: source.url, ref: 'HEAD' }, deps.git.guard, deps.signal);
      return undefined;
    } catch (error) {
      if (!(error instanceof GitFailed)) throw error;
      switch (error.fault) {
        case 'ref_missing':
          return undefined;
        // Some forges answer for a private repository as if it didn't exist.
        case 'auth_refused':
        case 'repository_missing':
          return new ForkContexts(source, deps);
        default:
          throw error;
      }
    }
  }

  /** The name of the upload. It makes the same cache key as the repository itself. */
  nameOf(subdir: string | undefined): string {
    const name = `${repoOrigin(this.#source.url)}${subdir === undefined ? '' : `//${subdir}`}`;
    return name.replace(/[^A-Za-z0-9._/:@-]/g, '-').slice(0, 255);
  }

  /** Fetches and stages the files below `subdir`. @throws GitFailed; what `stageContext` throws */
  async stage(subdir: string | undefined, share: StorageShare): Promise<StagedContext> {
    const { git, limits, signal } = this.#deps;
    await using archive = await archiveCommit(this.#source, subdir, git, signal);
    return await stageContext(archive.tar(), this.#deps, limits, share);
  }
}
