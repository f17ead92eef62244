import type { ChangedPaths, ForgeEvent, ForgeName, ForgeRepository } from '@kiln/contracts';
import { changedPaths, readRef } from './fields.ts';
import { finish } from './finish.ts';
import { ignored } from './ignored.ts';

/** The fields that every event of a repository has. */
export interface EventBase {
  readonly forge: ForgeName;
  readonly actor?: string;
  readonly repository: ForgeRepository;
}

/** A ref that was created, moved or deleted. */
export interface MovedRef {
  /** In full: `refs/heads/…`, `refs/tags/…`. */
  readonly ref: string;
  /** Null if the ref is new. */
  readonly before: string | null;
  /** Null if the ref was deleted. For an annotated tag, the id of the tag object. */
  readonly after: string | null;
  /** The commit at `after`, if the payload names it separately. */
  readonly commit: string | null | undefined;
  readonly changed: ChangedPaths;
}

/** The event of a push to a branch or a tag; pushes to any other ref are ignored. @throws BadPayload */
export function movedRefEvent(base: EventBase, { ref, before, after, commit, changed }: MovedRef): ForgeEvent {
  const named = readRef(ref);
  const deleted = after === null;
  switch (named?.kind) {
    case 'tag':
      return finish({ type: 'tag', ...base, tag: named.name, commit: deleted ? null : (commit ?? after), deleted });
    case 'branch':
      return finish({ type: 'push', ...base, branch: named.name, before, after, deleted, changed });
    default:
      return ignored(base.forge, `push to ${ref}, which is neither a branch nor a tag`);
  }
}

interface ListedCommits extends Pick<MovedRef, 'before' | 'after'> {
  readonly commits: readonly unknown[];
  readonly total: number | null | undefined;
}

/**
 * The paths of a push to a forge that lists only the newest commits, and doesn't tell whether others were dropped. So the list is never
 * known to be complete.
 */
export function pathsOfNewest(forgeLabel: string, { before, after, commits, total }: ListedCommits): ChangedPaths {
  if (after === null) return { complete: true, paths: [] };
  return changedPaths(
    commits,
    before === null
      ? NEW_BRANCH
      : (total ?? 0) > commits.length
        ? `${forgeLabel} lists ${commits.length} of ${total} commits`
        : `${forgeLabel} doesn’t say whether the push was forced and dropped commits`,
  );
}

export const NEW_BRANCH = 'the branch is new, so there is nothing to compare it with';
