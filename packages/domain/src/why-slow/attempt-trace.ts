import type { TerminalState } from '../build/state.ts';

/** A step as an attempt left it. Times in ms since the epoch. */
export interface TracedStep {
  /** BuildKit's name, with the values of secrets and build arguments replaced. */
  readonly name: string;
  /** Keyed digest of the instruction before anything was replaced, without `[stage 2/3]`: equal only for equal texts. */
  readonly key: string;
  /** BuildKit's digest of the step and all that it is based on. Steps that depend on a local context get another one in each build. */
  readonly digest: string;
  /** Positions of the steps that it is based on. */
  readonly inputs: readonly number[];
  readonly cached: boolean;
  readonly startedAt?: number | undefined;
  readonly completedAt?: number | undefined;
  /** With the same replacements as `name`. */
  readonly error?: string | undefined;
  /** Digests of what the URLs that an ADD fetches returned, in their order. Absent: not known. */
  readonly contents?: readonly string[] | undefined;
}

/** An instruction of the Dockerfile. */
export interface TracedInstruction {
  /** In upper case. */
  readonly op: string;
  /** As it is in the Dockerfile, with the first lines of here-documents. Cut if it is long. */
  readonly text: string;
  /** Keyed digest of the whole text. */
  readonly key: string;
  /** The build arguments that ARG declares. */
  readonly args?: readonly string[] | undefined;
}

/** A stage of the Dockerfile. The first one without `from` has the ARG instructions before the first FROM. */
export interface TracedStage {
  /** As BuildKit names it. */
  readonly name?: string | undefined;
  /** The image or stage in FROM. */
  readonly from?: string | undefined;
  readonly instructions: readonly TracedInstruction[];
}

/** An entry of a tree: its path, and a digest of its type, mode and content. */
export type TracedEntry = readonly [path: string, digest: string];

export type TracedContext =
  /** `id`: digest of an uploaded tree. */
  | { readonly type: 'tree'; readonly id: string }
  | {
      readonly type: 'git';
      readonly commit: string;
      readonly subdir?: string | undefined;
      /** Absent if BuildKit checked the commit out itself. In a large tree, deep directories stand for what is in them. */
      readonly entries?: readonly TracedEntry[] | undefined;
    };

/** A cache mount before and after an attempt, in bytes. Absent: not there, or not read. */
export interface TracedMount {
  /** `<namespace>/<id>`. */
  readonly id: string;
  readonly beforeBytes?: number | undefined;
  readonly afterBytes?: number | undefined;
}

/** How many of the layers that the repo's last build on the host had used were gone when the caches were read after this one. */
export interface LostLayers {
  readonly lost: number;
  readonly of: number;
  /** End of that last build, ms since the epoch. */
  readonly since: number;
}

/** What an attempt used and did, recorded at its end: without the value of any secret or build argument. Times in ms since the epoch. */
export interface AttemptTrace {
  readonly version: 1;
  readonly build: string;
  readonly attempt: number;
  readonly host: string;
  /** Key of its isolation domain, and so of its builder. */
  readonly domain?: string | undefined;
  /** Cache key of the repo. */
  readonly repo: string;
  readonly end: TerminalState;
  readonly startedAt: number;
  readonly endedAt: number;
  /** Id of the key of all keyed digests. Digests of different keys can't be compared. */
  readonly keyId: string;
  readonly noCache: boolean;
  /** Absent: `warm`. */
  readonly cacheMode?: string | undefined;
  readonly cacheScope: string;
  readonly target?: string | undefined;
  readonly platforms: readonly string[];
  /** Keyed digests of the build arguments' values, by name. */
  readonly args: Readonly<Record<string, string>>;
  /** Keyed digests of the secrets' values, by id. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly context?: TracedContext | undefined;
  /** Lines of the ignore file that BuildKit applied; absent if that isn't known, or it is too large. */
  readonly ignores?: readonly string[] | undefined;
  /** Stages of the Dockerfile; absent if the host didn't read it. */
  readonly stages?: readonly TracedStage[] | undefined;
  /** In the order in which BuildKit named them. */
  readonly steps: readonly TracedStep[];
  /** How many steps were left out, because there are too many. */
  readonly stepsLeftOut?: number | undefined;
  /** Cache mounts of the repo that the attempt used. Absent: the caches weren't read. */
  readonly mounts?: readonly TracedMount[] | undefined;
  /** Whether mounts may be larger than their bytes. */
  readonly sizesAreFloors?: boolean | undefined;
  readonly layers?: LostLayers | undefined;
}
