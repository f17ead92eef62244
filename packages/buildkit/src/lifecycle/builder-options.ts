import type { AllowedFrontends, Trust } from '@kiln/domain';
import type { DriverName } from '../control/buildkit-connection.ts';
import type { Egress } from '../egress/egress.ts';
import type { Logger } from '../engine/logger.ts';
import type { PushRetries } from '../run/push-retries.ts';
import type { BuilderSettings } from '../settings/builder-settings.ts';
import type { TreeBudget } from '../trees/tree-budget.ts';

export interface BuilderOptions {
  /** Path of the engine's socket, or `tcp://host:port`. Default `/var/run/docker.sock`. */
  readonly dockerSocket?: string;
  /** Path of the socket on the engine's own machine, which is mounted in the tool container. Default: `dockerSocket` if that is a path. */
  readonly engineSocketPath?: string;
  /** Name of the host in the pool: lower-case letters, digits and `-`. */
  readonly hostName: string;
  /** Distinguishes pools that share an engine; part of the names of containers and builders. */
  readonly instance: string;
  /** Trust class of the builder's builds. Default `trusted`. */
  readonly trust?: Trust;
  /**
   * Key of the isolation domain whose builds it runs. Only a BuildKit of its own isolates a domain, so it runs no others.
   * Default: the domain of all builds of the class in the pool. `null` (only with the engine's own BuildKit): set later by `Builder.claim`.
   */
  readonly domain?: string | null;
  /** Absolute path of a directory for this builder only; mounted in the tool container at the same path. */
  readonly scratchDir: string;
  /** `auto`: `docker-container` if its image is present or can be pulled soon, otherwise `docker`. */
  readonly driver: 'auto' | DriverName;
  /** Image with `docker-buildx` in its PATH and a POSIX shell. */
  readonly toolImage: string;
  /** BuildKit's image, for the `docker-container` driver. */
  readonly buildkitImage: string;
  /** Limit of the builder's caches (`docker-container` driver). Default: half of the disk of `scratchDir`. */
  readonly cacheBudgetBytes?: number;
  /** Or as a share of the disk of `scratchDir`, 0 to 1. Default: half. */
  readonly cacheBudgetShare?: number;
  /** Limits the builder's working trees, together with others'. Default: a tenth of the disk of `scratchDir`, for this builder alone. */
  readonly treeBudget?: TreeBudget;
  /** Directory with a `config.json` of registry logins. */
  readonly dockerConfigDir?: string;
  /** Network, limits and further configuration of the builder. With the `docker` driver only those that `checkEngine` accepts. */
  readonly settings?: BuilderSettings;
  /** Frontends that builds may name in addition to BuildKit's own. Default: any. */
  readonly frontends?: AllowedFrontends;
  /** Privileges that trusted builds may ask for. Default: none. */
  readonly entitlements?: readonly string[];
  /** What builds may reach. Default: whatever the host reaches. */
  readonly egress?: Egress;
  /** How long a build reports nothing before it is checked whether BuildKit is stuck, ms (`docker-container` driver). Default: ten minutes. */
  readonly stalledAfterMs?: number;
  /** How often failed pushes are repeated. Default: `PUSH_RETRIES`. */
  readonly pushRetries?: Partial<PushRetries>;
  readonly log: Logger;
}

export interface BuilderInfo {
  readonly trust: Trust;
  /** Absent until the builder is claimed for a domain. */
  readonly domain?: string;
  readonly driver: DriverName;
  readonly engineVersion: string;
  readonly buildxVersion: string;
  /** Absent if BuildKit doesn't report it. */
  readonly buildkitVersion?: string;
  readonly platforms: readonly string[];
  readonly cacheBudget: CacheBudget;
}

/** How much cache a builder keeps, and where that comes from: Kiln's configuration, the engine's, or an estimate from the size of the disk. */
export interface CacheBudget {
  readonly bytes: number;
  readonly from: 'configured' | 'engine' | 'estimated';
}
