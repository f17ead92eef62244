import type { Readable } from 'node:stream';
import type { BuildSpec, CachePlaces, LogRecord } from '@kiln/contracts';
import type { Trust } from '@kiln/domain';
import type { TreeSource } from '@kiln/trees';
import type { ReportedStep } from '../progress/step-trace.ts';
import type { SubmittedTimes } from '../trees/working-tree.ts';
import type { CacheForm, FailedExport } from './cache-flags.ts';
import type { RegistryLogin } from './docker-config.ts';

/** The Dockerfile of a commit. */
export interface CommitDockerfile {
  readonly text: string;
  /** Text of its own ignore file (`<name>.dockerignore`), if any. */
  readonly ignore?: string | undefined;
}

/** A commit's files for a host to build from. Dispose of it after use. */
export interface GitCheckout extends AsyncDisposable {
  readonly tree: TreeSource;
  /** Path of the Dockerfile in the tree. */
  readonly dockerfile: string;
}

export type ContextSource =
  | {
      readonly type: 'git';
      readonly url: string;
      readonly commit: string;
      readonly subdir?: string | undefined;
      /** Whether the build's Dockerfile is not in the commit: it is the one that `dockerfile` returns. */
      readonly hasOwnDockerfile?: boolean;
      /** Reads the commit's Dockerfile, for builders that must check its frontend; undefined if there is none. Rejects if it isn't a plain file. */
      dockerfile?(signal: AbortSignal): Promise<CommitDockerfile | undefined>;
      /**
       * Fetches the commit to this host. Returns the reason instead if only BuildKit's own checkout gives what it would build from.
       * @param domain key of the isolation domain, which shares what was fetched
       */
      checkOut?(domain: string, signal: AbortSignal): Promise<GitCheckout | { readonly instead: string }>;
    }
  | { readonly type: 'tar'; open(): Promise<Readable> }
  | {
      readonly type: 'tree';
      /** Identifies the tree: equal ids mean equal trees. */
      readonly id: string;
      /** @param spoolFile a file that doesn't exist yet, for contents that have to wait */
      open(spoolFile: string): TreeSource & AsyncDisposable;
      /** Times to give the tree's entries. Default: a file keeps its time from one build of the repo to the next until its content changes. */
      readonly times?: SubmittedTimes | undefined;
      /** Without `times`: those of directories and links, for those that are new to this host. Default: the present. */
      readonly directoryTimes?: SubmittedTimes | undefined;
      /** Opens the tar that an older version has stored instead of the tree; undefined if there is none. */
      tar?(signal: AbortSignal): Promise<Readable | undefined>;
    };

/** An uploaded directory that a build names as a further context. */
export interface ContextTree extends Pick<Extract<ContextSource, { readonly type: 'tree' }>, 'id' | 'open' | 'times'> {
  /** By which the Dockerfile refers to it. */
  readonly name: string;
}

/** Caches that are kept outside of builders, as the directory that BuildKit's `type=local` reads and writes. */
export interface CacheArchive {
  /** Fills the directory, which doesn't exist yet. Returns false if there is nothing to import. Rejects with nothing but the signal's reason. */
  restore(dir: string, signal: AbortSignal): Promise<boolean>;
  /** Stores the directory. Never rejects: the build has succeeded already. */
  save(dir: string, signal: AbortSignal): Promise<void>;
}

/** Is told what a run reads and does. Its calls must not throw. */
export interface RunObserver {
  /** The Dockerfile that is built. A large one may be cut off, and one that only BuildKit reads isn't reported. */
  dockerfile(text: string): void;
  /** The ignore file that BuildKit applies to the context; empty if there is none. Not reported if only BuildKit reads it. */
  ignoreFile?(text: string): void;
  /** The steps, when the run has ended. @param leftOut how many were too many */
  steps(steps: readonly ReportedStep[], leftOut: number): void;
}

/** Where a further target of `spec.bake` is built from. */
export interface TargetSources {
  readonly source: ContextSource;
  /** The uploaded directories of its `buildContexts`. */
  readonly contexts: readonly ContextTree[];
}

export interface RunRequest {
  readonly buildId: string;
  readonly attempt: number;
  readonly spec: BuildSpec;
  /** Must be the builder's own. Default `trusted`. */
  readonly trust?: Trust;
  /** Key of its isolation domain; must be the builder's own. Default: the domain of all builds of its class in the pool. */
  readonly domain?: string;
  /** Cache key of the repo (`cacheKey`); together with `spec.cacheScope` and `spec.team` it determines the namespace of the cache mounts. */
  readonly repo: string;
  /** For runs of Kiln's own: the namespace of cache mounts, and a name under which the context is a named context as well. */
  readonly internal?: { readonly namespace: string; readonly contextName: string };
  readonly source: ContextSource;
  /** The uploaded directories of `spec.buildContexts`. */
  readonly contexts?: readonly ContextTree[];
  /** Of the further targets of `spec.bake`, by name. */
  readonly targets?: ReadonlyMap<string, TargetSources>;
  /** Values by the id in `RUN --mount=type=secret,id=…`. */
  readonly secrets: ReadonlyMap<string, string>;
  /** In addition to the host's own, over which they take precedence. */
  readonly registryLogins?: readonly RegistryLogin[];
  /** Texts that no log may show, in addition to the secrets' values and the logins' passwords. */
  readonly hidden?: readonly string[];
  /** Where caches are imported from and exported to. */
  readonly cachePlaces?: CachePlaces;
  /** Whether the builder has caches of the repo, by its inventory. Undefined: unknown. */
  readonly isWarm?: boolean | undefined;
  /** The form in which a registry takes caches. Default: `index` for all. */
  readonly cacheForm?: (registry: string) => CacheForm;
  /** Told of an export of caches that failed although the build succeeded. */
  onFailedExport?(failed: FailedExport): void;
  /** Told of the references to which caches were exported. Must not throw. */
  onExported?(refs: readonly string[]): void;
  /** Caches in a directory, for cache mode `archive`. */
  readonly archive?: CacheArchive;
  /** Namespace of the cache mounts, for a build that shares them with no other. */
  readonly ownNamespace?: string;
  /** Stores the tar of the result; required if an output is an `artifact`, and for a `call`. @throws ArtifactRefused to fail the build itself */
  artifact?(stream: Readable): Promise<{ readonly digest: string; readonly sizeBytes: number }>;
  readonly observer?: RunObserver | undefined;
  /** Takes the records in order. A returned promise is backpressure: the next record waits until it resolves. */
  sink(record: LogRecord): void | Promise<void>;
}
