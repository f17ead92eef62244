import type { LostLayers } from './attempt-trace.ts';

export type FileChangeKind = 'added' | 'changed' | 'removed';

/** A difference between two contexts. */
export interface FileChange {
  readonly path: string;
  readonly change: FileChangeKind;
  /** It stands for something in this directory: the tree is too large for its files to be recorded. */
  readonly within?: true | undefined;
}

/** Why two contexts could not be compared. */
export type FilesUnknown =
  /** One of the trees is no longer stored. */
  | 'tree_swept'
  /** At least one of the builds has no record of its files, for example because BuildKit checked the commit out itself. */
  | 'not_recorded'
  /** One is an upload, the other a commit. */
  | 'other_source';

/** What differs between the contexts of two builds. `cut`: there is more. */
export type FileChanges =
  | { readonly state: 'same' }
  | { readonly state: 'differ'; readonly changes: readonly FileChange[]; readonly cut?: boolean | undefined }
  | { readonly state: 'unknown'; readonly why: FilesUnknown };

/** Caches of the repo that a host removed. */
export interface RepoEviction {
  /** ms since the epoch. */
  readonly at: number;
  readonly bytes: number;
  readonly reason: string;
  /** The repo whose build needed the room, if it is known and may be shown. */
  readonly roomFor?: string | undefined;
}

/** What was compared without a difference. */
export type Compared =
  | 'instruction'
  | 'settings'
  | 'build_arguments'
  | 'base_image'
  | 'files'
  | 'remote_content'
  | 'earlier_steps';

/** What could not be compared, and why. */
export type NotCompared =
  | { readonly what: 'files'; readonly why: FilesUnknown | 'variable_sources' | 'large_tree' }
  | { readonly what: 'build_arguments'; readonly why: 'dockerfile_not_recorded'; readonly names: readonly string[] }
  | { readonly what: 'settings'; readonly why: 'dockerfile_not_recorded' }
  | { readonly what: 'everything'; readonly why: 'other_key' | 'step_not_recorded' }
  | { readonly what: 'remote_content'; readonly why: 'not_recorded' };

/** A difference from the build that a step is compared with. `step`: name of the earlier step that it is in, if it isn't in the step itself. */
export type Difference = { readonly step?: string | undefined } & (
  | {
      /** An instruction was changed, added (no `from`) or removed (no `to`). */
      readonly type: 'instruction_changed';
      readonly from?: string | undefined;
      readonly to?: string | undefined;
    }
  | {
      readonly type: 'files_changed';
      readonly added: number;
      readonly changed: number;
      readonly removed: number;
      /** The first ten. */
      readonly paths: readonly FileChange[];
      /** Whether the counts are at least that. */
      readonly atLeast?: true | undefined;
    }
  | { readonly type: 'build_argument_changed'; readonly names: readonly string[] }
  | { readonly type: 'base_image_moved'; readonly image: string; readonly from: string; readonly to: string }
  /** What a URL returned; `from` and `to` are digests. */
  | { readonly type: 'remote_content_changed'; readonly url: string; readonly from: string; readonly to: string }
  | { readonly type: 'cache_scope_changed'; readonly from: string; readonly to: string }
);

/** Why a step was not cached. */
export type Cause =
  | { readonly type: 'no_cache' }
  /** The builder was made for this build, and had no cache. */
  | { readonly type: 'fresh_builder'; readonly mode: string }
  /** No earlier build of the repo can be compared. */
  | { readonly type: 'first_build' }
  /** The repo has no earlier successful build on this host. `also`: what differs from the one on another host. */
  | { readonly type: 'first_on_host'; readonly also?: Difference | undefined }
  | Difference
  | { readonly type: 'parent_missed'; readonly parent: number }
  /** Nothing differs, and layers that the repo's last build on the host had used were gone. */
  | ({ readonly type: 'evicted'; readonly evictions?: readonly RepoEviction[] | undefined } & LostLayers)
  | {
      readonly type: 'unknown';
      readonly compared: readonly Compared[];
      readonly notCompared: readonly NotCompared[];
    };
