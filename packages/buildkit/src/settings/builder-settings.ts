import type { ExtraConfig } from './extra-config.ts';

/** How a host's builders reach registries and other servers, and what limits their steps have. Absent members leave BuildKit's defaults. */
export interface BuilderSettings {
  /** By registry, `host[:port]`. */
  readonly registries?: Readonly<Record<string, RegistrySettings>>;
  /** Certificate authorities for every TLS server: registries, git, `ADD https://…`. PEM. */
  readonly authorities?: readonly string[];
  readonly proxy?: ProxySettings;
  /** For RUN steps and for BuildKit itself. */
  readonly dns?: DnsSettings;
  /** How many steps of all builds of a builder run at the same time. */
  readonly maxParallelism?: number;
  readonly limits?: StepLimits;
  /** More settings for `buildkitd.toml`. */
  readonly config?: ExtraConfig;
}

export interface RegistrySettings {
  /** `host[:port][/path]`, asked in this order before the registry itself. */
  readonly mirrors?: readonly string[];
  readonly plainHttp?: boolean;
  /** Whether any certificate is accepted, and plain HTTP. */
  readonly insecureSkipVerify?: boolean;
  /** Certificate authorities for this registry only. PEM. */
  readonly authorities?: readonly string[];
}

export interface ProxySettings {
  /** URLs, perhaps with credentials. */
  readonly http?: string;
  readonly https?: string;
  /** Hosts that are reached without a proxy, separated by commas. */
  readonly no?: string;
  /** Who uses it: steps of builds, what fetches for them (BuildKit, buildx), or both. */
  readonly for: 'builds' | 'builder' | 'both';
}

export interface DnsSettings {
  /** Addresses. */
  readonly servers?: readonly string[];
  readonly search?: readonly string[];
  /** As in `resolv.conf`, such as `ndots:2`. */
  readonly options?: readonly string[];
}

/** Limits of all RUN containers of a builder together. */
export interface StepLimits {
  readonly memoryBytes?: number;
  /** May be a fraction. */
  readonly cpus?: number;
  /** Processes and threads. */
  readonly pids?: number;
}

/** The cgroup of RUN containers within the builder's own, if they have limits. */
export const STEPS_CGROUP = 'kiln-steps';
