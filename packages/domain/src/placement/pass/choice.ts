import type { PoolHost, Seeding } from '../pool/pool-host.ts';

/** Where a build goes, or what it waits for. Times in ms. */
export interface Choice {
  readonly host: PoolHost;
  readonly startAt: number;
  readonly warmth: number;
  readonly runMs: number;
  readonly cost: number;
  /** The seed that the build waits for. */
  readonly seeding?: Seeding | undefined;
}
