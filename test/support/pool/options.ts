import type { KilnClient } from '@kiln/client';
import type { BuildRequestInput } from '@kiln/contracts';
import type { TestRedisOptions } from '@kiln/state/testing';
import type { ContextFiles } from '../context.ts';
import type { TestHosts } from '../hosts.ts';

export type Role = 'api' | 'scheduler' | 'worker';

export interface PoolOptions {
  /** Names of the workers. Default: the names of `hosts`, or else `a`. */
  readonly workers?: readonly string[];
  /**
   * A worker that has the name of one of these hosts runs on it: with its engine, and in its network, from which it reaches Redis and
   * API `1`. The hosts outlive the pool, which leaves them working. Without this option all workers share this machine's engine, and no
   * link can be cut.
   */
  readonly hosts?: TestHosts;
  readonly appendFsync?: TestRedisOptions['appendFsync'];
  /** Number of schedulers; their names are `1`, `2`, … Default: 1. */
  readonly schedulers?: number;
  /** Number of APIs; their names are `1`, `2`, … Default: 1. */
  readonly apis?: number;
  /** Slots of each worker. Default: 2. */
  readonly slots?: number;
  readonly leaseTtlMs?: number;
  readonly syncEveryMs?: number;
  /** The watchdog counts in whole seconds: below 2,000 ms it may fire after the lease has ended. */
  readonly fenceMarginMs?: number;
  readonly leaderTtlMs?: number;
  readonly tickMs?: number;
  /** Files that start the processes of a role. Default: see `programsOfRun`. */
  readonly programs?: Partial<Record<Role, string>>;
  /** Further settings for the processes of a role. */
  readonly env?: Partial<Record<Role, NodeJS.ProcessEnv>>;
  /** Further settings for single workers, by name. */
  readonly workerEnv?: Readonly<Record<string, NodeJS.ProcessEnv>>;
}

export type SubmitRequest = Omit<BuildRequestInput, 'source'> & {
  /** Files of the context besides the Dockerfile. */
  readonly files?: ContextFiles;
  /** Name of the source, by which builds have their affinity. Default: a unique one. */
  readonly name?: string;
  /** Default: a client with the pool's own token. */
  readonly by?: KilnClient;
};
