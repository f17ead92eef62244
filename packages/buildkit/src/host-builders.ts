import { mkdir, rm } from 'node:fs/promises';
import { type Isolation, readDomain, TRUSTS, type Trust } from '@kiln/domain';
import type Docker from 'dockerode';
import { Builder } from './builder.ts';
import { domainSlug, PROBE } from './builder-names.ts';
import type { BuilderInfo, BuilderOptions } from './builder-options.ts';
import { chooseDriver } from './buildx-builder.ts';
import { configuredBudget, splitBudget } from './cache-budget.ts';
import {
  removeContainer,
  removeStored,
  type StoredCaches,
  stopContainer,
  storedCaches,
  toolContainers,
} from './domain-volumes.ts';
import { callEngine, connectEngine, DEFAULT_SOCKET } from './engine.ts';
import { EngineNotApart, EngineTaken, engineDomain } from './engine-claim.ts';

export interface HostBuildersOptions extends Omit<BuilderOptions, 'domain'> {
  /** The only class that the host builds for. Default: both where the driver keeps them apart, else `trusted`. */
  readonly trust?: Trust;
  /** Who shares a builder. Default: what an engine that serves one domain was claimed for, else each team. */
  readonly isolation?: Isolation;
  /** Of all builders together. */
  readonly cacheBudgetBytes?: number;
  /** The untrusted builders' part of it. Default: a quarter. */
  readonly untrustedCacheBudgetBytes?: number;
  /** Registry logins of trusted builds alone. */
  readonly dockerConfigDir?: string;
  /** … and of untrusted ones, which have none otherwise. */
  readonly untrustedDockerConfigDir?: string;
}

/** What can be said of a host's builders whichever of them run. */
export interface HostBuildersInfo extends Omit<BuilderInfo, 'trust' | 'domain'> {
  /** Classes that it has builders for. */
  readonly trust: readonly Trust[];
  readonly isolation: Isolation;
  /** Whether it serves one isolation domain only, the first whose build comes: the engine has one BuildKit. */
  readonly oneDomain: boolean;
  /** What the builders of a class share of the budget; absent where nothing of Kiln's rules it. */
  readonly cacheBudgets?: Readonly<Partial<Record<Trust, number>>>;
}

interface Parts {
  readonly options: HostBuildersOptions;
  readonly engine: Docker;
  readonly info: HostBuildersInfo;
  readonly started: Builder | undefined;
}

/**
 * The builders of a host, one for each isolation domain: with `docker-container` each is a BuildKit with a volume of its own, brought up when a build of
 * its domain comes; the `docker` driver has only the engine's, which is the first domain's for good.
 */
export class HostBuilders {
  readonly info: HostBuildersInfo;
  readonly #options: HostBuildersOptions;
  readonly #engine: Docker;
  readonly #open = new Map<string, Builder>();
  /** The engine's own BuildKit, where that is all there is. */
  readonly #only: Builder | undefined;

  private constructor({ options, engine, info, started }: Parts) {
    this.#options = options;
    this.#engine = engine;
    this.info = info;
    if (info.oneDomain) this.#only = started;
    else if (started?.info.domain !== undefined) this.#open.set(started.info.domain, started);
  }

  /**
   * Finds out what builders are like here, and stops what a killed worker has left. Caches that are kept apart in another way than the isolation
   * asks for are removed: no build may have them.
   * @throws as `Builder.start`; then nothing is left running
   */
  static async start(given: HostBuildersOptions): Promise<HostBuilders> {
    const engine = connectEngine(given.dockerSocket ?? DEFAULT_SOCKET);
    await callEngine('ping', () => engine.ping());
    const driver = await chooseDriver({ options: given, engine });
    const options = { ...given, driver };
    for (const name of await toolContainers(engine, options)) await removeContainer(engine, name);
    return new HostBuilders(driver === 'docker' ? await engineOnly(options, engine) : await apart(options, engine));
  }

  /** The one domain that it serves, where it serves one and is claimed. */
  get domain(): string | undefined {
    return this.#only?.info.domain;
  }

  /** Domains whose builders are up. */
  get running(): readonly string[] {
    const { domain } = this;
    return domain === undefined ? [...this.#open.keys()] : [domain];
  }

  /** Domains whose caches are here, running or not. @throws EngineError */
  async stored(): Promise<readonly string[]> {
    if (this.info.oneDomain) return this.running;
    return (await this.#stored()).map(({ domain }) => domain);
  }

  /**
   * Brings the domain's builder up, with `cacheBudgetBytes` for its caches.
   * @throws EngineTaken where the host serves another domain @throws as `Builder.start`
   */
  async open(domain: string, cacheBudgetBytes?: number): Promise<Builder> {
    const { trust = 'trusted' } = readDomain(domain) ?? {};
    if (!this.info.trust.includes(trust)) throw new RangeError(`this host has no builder of ${trust} builds`);
    if (this.#only) {
      await this.#only.claim(domain);
      return this.#only;
    }
    const known = this.#open.get(domain);
    if (known) return known;
    const own = ofDomain(this.#options, trust, domain);
    const builder = await Builder.start({ ...own, ...(cacheBudgetBytes !== undefined && { cacheBudgetBytes }) });
    this.#open.set(domain, builder);
    return builder;
  }

  /** Stops the domain's builder, where it is up; its caches stay. */
  async stop(domain: string): Promise<void> {
    const builder = this.#open.get(domain);
    this.#open.delete(domain);
    await builder?.stop();
  }

  /** Removes a domain's caches, and its builder with them. @throws EngineError */
  async discard(domain: string): Promise<void> {
    await this.stop(domain);
    for (const stored of await this.#stored()) {
      if (stored.domain === domain) await removeDomain(this.#options, this.#engine, stored);
    }
  }

  /** @throws EngineError while the engine isn't there */
  async ping(): Promise<void> {
    await callEngine('ping', () => this.#engine.ping());
  }

  /** Stops what runs. The builders and their caches stay. */
  async close(): Promise<void> {
    const all = this.#only ? [this.#only] : [...this.#open.values()];
    await Promise.all(all.map((builder) => builder.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #stored(): Promise<StoredCaches[]> {
    const all = await storedCaches(this.#engine, this.#options);
    return all.filter(({ domain }) => this.info.trust.some((trust) => trust === readDomain(domain)?.trust));
  }
}

async function engineOnly(options: HostBuildersOptions, engine: Docker): Promise<Parts> {
  const { trust = 'trusted', log } = options;
  const owner = await engineDomain(engine);
  const claimed = owner === undefined ? undefined : readDomain(owner);
  const isolation = options.isolation ?? claimed?.isolation ?? 'team';
  if (owner !== undefined && claimed?.isolation !== isolation && isolation !== 'pool')
    throw new EngineTaken(owner, `isolation ${isolation}`);
  if (claimed && claimed.trust !== trust)
    throw new EngineNotApart(`the engine’s BuildKit is that of ${claimed.trust} builds`);
  if (isolation === 'pool' && claimed && claimed.isolation !== 'pool')
    log.warn({ domain: owner }, 'the engine’s BuildKit was one team’s or repo’s; from now on all share its caches');
  // Of the pool's builds of a class there is one domain: nobody has to come first.
  const started = await Builder.start({
    ...ofDomain(options, trust, null),
    domain: isolation === 'pool' ? trust : null,
  });
  const info = infoOf(started, [trust], isolation, true);
  if (isolation !== 'pool') {
    log.info(
      { isolation, domain: started.info.domain },
      `the docker driver has one BuildKit, which can’t keep ${isolation}s apart: this host serves one ${isolation}, the first whose build it runs; ` +
        'for several, use the docker-container driver or more hosts, or set KILN_ISOLATION=pool to let all share caches',
    );
  }
  return { options, engine, info, started };
}

async function apart(options: HostBuildersOptions, engine: Docker): Promise<Parts> {
  const { trust, isolation = 'team', log } = options;
  const classes: readonly Trust[] = trust ? [trust] : TRUSTS;
  // The budget is a share of the disk that holds it.
  await mkdir(options.scratchDir, { recursive: true, mode: 0o700 });
  const budget = await configuredBudget(options);
  const cacheBudgets = trust ? { [trust]: budget } : splitBudget(budget, options.untrustedCacheBudgetBytes);
  let usable: string | undefined;
  for (const stored of await storedCaches(engine, options)) {
    const parts = readDomain(stored.domain);
    if (parts?.isolation === isolation) {
      await stopContainer(engine, stored.container);
      if (classes.includes(parts.trust)) usable ??= stored.domain;
      continue;
    }
    await removeDomain(options, engine, stored);
    if (stored.domain !== PROBE) log.warn({ isolation, domain: stored.domain }, 'caches of another isolation removed');
  }
  const [first = 'trusted'] = classes;
  const domain = usable ?? (isolation === 'pool' ? first : PROBE);
  const ofClass = readDomain(domain)?.trust ?? first;
  const cacheBudgetBytes = cacheBudgets[ofClass];
  const builder = await Builder.start({
    ...ofDomain(options, ofClass, domain),
    ...(cacheBudgetBytes !== undefined && { cacheBudgetBytes }),
  });
  const cacheBudget = { bytes: budget, from: 'configured' as const };
  const info = { ...infoOf(builder, classes, isolation, false), cacheBudget, cacheBudgets };
  if (domain !== PROBE) return { options, engine, info, started: builder };
  await builder.stop();
  for (const stored of await storedCaches(engine, options)) {
    if (stored.domain === PROBE) await removeDomain(options, engine, stored);
  }
  return { options, engine, info, started: undefined };
}

/** Removes what a domain has left in the engine, and its directory. */
async function removeDomain(options: HostBuildersOptions, engine: Docker, stored: StoredCaches): Promise<void> {
  await removeStored(engine, stored);
  const { scratchDir } = ofDomain(options, readDomain(stored.domain)?.trust ?? 'trusted', stored.domain);
  // The pool's trusted builder has the one in which all others’ budget is measured.
  if (scratchDir !== options.scratchDir) await rm(scratchDir, { recursive: true, force: true });
}

function infoOf(builder: Builder, trust: readonly Trust[], isolation: Isolation, oneDomain: boolean): HostBuildersInfo {
  const { trust: _, domain: __, ...rest } = builder.info;
  return { ...rest, trust, isolation, oneDomain };
}

/** What the builder of a domain has to itself: its directory, and its class's logins. */
function ofDomain(options: HostBuildersOptions, trust: Trust, domain: string | null): BuilderOptions {
  const { untrustedCacheBudgetBytes: _, isolation: __, untrustedDockerConfigDir, dockerConfigDir, ...rest } = options;
  const logins = trust === 'trusted' ? dockerConfigDir : untrustedDockerConfigDir;
  const slug = domainSlug({ ...rest, trust, domain });
  return {
    ...rest,
    trust,
    domain,
    scratchDir: slug === 'trusted' ? rest.scratchDir : `${rest.scratchDir}-${slug}`,
    ...(logins !== undefined && { dockerConfigDir: logins }),
  };
}
