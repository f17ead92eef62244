import type { Readable } from 'node:stream';
import type { BuildSpec, LogRecord } from '@kiln/contracts';
import type { AllowedFrontends, Trust } from '@kiln/domain';
import type { RegistryLogin } from './docker-config.ts';
import type { Egress } from './egress/egress.ts';

/** Shaped like pino's logger: fields first, then a constant event. */
export interface Logger {
  debug(fields: object, event: string): void;
  info(fields: object, event: string): void;
  warn(fields: object, event: string): void;
  error(fields: object, event: string): void;
}

export type DriverName = 'docker-container' | 'docker';

export interface BuilderOptions {
  /** Path of the engine's socket, or `tcp://host:port`. Default `/var/run/docker.sock`. */
  readonly dockerSocket?: string;
  /** Path of the socket on the engine's own machine, which the tool container mounts. Default: `dockerSocket` where that is a path. */
  readonly engineSocketPath?: string;
  /** Name of the host in the pool: lower-case letters, digits and `-`. */
  readonly hostName: string;
  /** Tells pools that share an engine apart; goes into the names of containers and builders. */
  readonly instance: string;
  /** Class of the builds that it runs. Default `trusted`. */
  readonly trust?: Trust;
  /**
   * Key of the isolation domain whose builds it runs, and no others: nothing less than a BuildKit of its own keeps a domain apart.
   * Default: the pool's builds of the class. `null`, with the engine's own BuildKit: not known yet, `Builder.claim` says it.
   */
  readonly domain?: string | null;
  /** Absolute directory of this builder alone; the tool container sees it at the same path. */
  readonly scratchDir: string;
  /** `auto`: `docker-container` where its image is present or soon pulled, else `docker`. */
  readonly driver: 'auto' | DriverName;
  /** Image with `docker-buildx` in its PATH and a POSIX shell. */
  readonly toolImage: string;
  /** BuildKit's own image; used by the `docker-container` driver alone. */
  readonly buildkitImage: string;
  /** Cap of the builder's caches (`docker-container` driver). Default: half of the disk that holds `scratchDir`. */
  readonly cacheBudgetBytes?: number;
  /** Directory with a `config.json` of registry logins, mounted read-only into the tool container. */
  readonly dockerConfigDir?: string;
  /** Registries (`host:port`) that speak plain HTTP, for the `docker-container` driver; the engine has its own list. */
  readonly plainHttpRegistries?: readonly string[];
  /** Frontends that builds may name beside BuildKit's own. Default: any. */
  readonly frontends?: AllowedFrontends;
  /** Default: builds reach whatever the host reaches. */
  readonly egress?: Egress;
  readonly log: Logger;
}

export interface BuilderInfo {
  readonly trust: Trust;
  /** Absent until it is claimed for one. */
  readonly domain?: string;
  readonly driver: DriverName;
  readonly engineVersion: string;
  readonly buildxVersion: string;
  /** Absent where BuildKit doesn't say. */
  readonly buildkitVersion?: string;
  readonly platforms: readonly string[];
  readonly cacheBudget: CacheBudget;
}

/** How much cache a builder keeps, and who says so: Kiln's configuration, the engine's, or a guess from the size of the disk. */
export interface CacheBudget {
  readonly bytes: number;
  readonly from: 'configured' | 'engine' | 'estimated';
}

/** A Dockerfile as a commit has it. */
export interface CommitDockerfile {
  readonly text: string;
  /** Text of the ignore file of its own, where it has one. */
  readonly ignore?: string | undefined;
}

export type ContextSource =
  | {
      readonly type: 'git';
      readonly url: string;
      readonly commit: string;
      readonly subdir?: string | undefined;
      /** The Dockerfile of the commit, for builders that have to know which frontend it names; undefined where there is none. Rejects where it is no plain file. */
      dockerfile?(signal: AbortSignal): Promise<CommitDockerfile | undefined>;
    }
  | { readonly type: 'tar'; open(): Promise<Readable> };

export interface RunRequest {
  readonly buildId: string;
  readonly attempt: number;
  readonly spec: BuildSpec;
  /** Default `trusted`; the builder's own, or it isn't run. */
  readonly trust?: Trust;
  /** Key of its isolation domain; the builder's own, or it isn't run. Default: that of the pool's builds of its class. */
  readonly domain?: string;
  /** Cache key of the repo (`cacheKey`); with `spec.cacheScope` and `spec.team` it decides the namespace of the build's cache mounts. */
  readonly repo: string;
  readonly source: ContextSource;
  /** Values by id, as `RUN --mount=type=secret,id=…` names them. */
  readonly secrets: ReadonlyMap<string, string>;
  /** Beside the host's own, before which they go. */
  readonly registryLogins?: readonly RegistryLogin[];
  /** Texts that no log may show, beside the secrets' values and the logins' passwords. */
  readonly hidden?: readonly string[];
  /** Takes the tar of the result where `spec.output.type` is `artifact`. @throws ArtifactRefused where the build itself is to fail by it */
  artifact?(stream: Readable): Promise<{ readonly digest: string; readonly sizeBytes: number }>;
  /** Takes each record in order. A returned promise is backpressure: nothing more is read from buildx until it resolves. */
  sink(record: LogRecord): void | Promise<void>;
}
