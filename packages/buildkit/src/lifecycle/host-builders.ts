import { mkdir, rm } from 'node:fs/promises';
import type { BakeInput } from '@kiln/contracts';
import { type BuilderFault, type Isolation, readDomain, TRUSTS, type Trust } from '@kiln/domain';
import type Docker from 'dockerode';
import { evaluateBake } from '../bake/evaluate-bake.ts';
import { removeContainer, stopContainer } from '../engine/containers.ts';
import { callEngine, connectEngine, DEFAULT_SOCKET } from '../engine/engine.ts';
import { checkEngine, type EngineInfo } from '../settings/check-engine.ts';
import type { TreeBudget } from '../trees/tree-budget.ts';
import { removeAside, setAside, stateVolume } from './broken-state.ts';
import { Builder } from './builder.ts';
import { builderName, containerOf, domainSlug, PROBE } from './builder-names.ts';
import type { BuilderInfo, BuilderOptions } from './builder-options.ts';
import { chooseDriver } from './buildx-builder.ts';
import { configuredBudget, splitBudget } from './cache-budget.ts';
import { whyDown } from './daemon-state.ts';
import { removeStored, type StoredCaches, storedCaches, toolContainers } from './domain-volumes.ts';
import { EngineNotApart, EngineTaken, engineDomain } from './engine-claim.ts';
import { removeFreshBuilders } from './fresh-builders.ts';
import { removeTrees, treeBudgets } from './host-trees.ts';

export interface HostBuildersOptions extends Omit<BuilderOptions, 'domain' | 'treeBudget'> {
  /** The only trust class that the host builds for. Default: both if the driver can isolate them, otherwise `trusted`. */
  readonly trust?: Trust;
  /** Who shares a builder. Default: as the engine's BuildKit was claimed, if it was; otherwise `team`. */
  readonly isolation?: Isolation;
  /** Cache limit of all builders together. */
  readonly cacheBudgetBytes?: number;
  /** The part of it for untrusted builders. Default: a quarter. */
  readonly untrustedCacheBudgetBytes?: number;
  /** Limit of all working trees together. Default: a tenth of the disk of `scratchDir`. Untrusted builds get the same part of it as of the caches. */
  readonly treeBudgetBytes?: number;
  /** Directory with the registry logins of trusted builds. */
  readonly dockerConfigDir?: string;
  /** Directory with the registry logins of untrusted builds. Default: none. */
  readonly untrustedDockerConfigDir?: string;
}

/** What all of a host's builders have in common. */
export interface HostBuildersInfo extends Omit<BuilderInfo, 'trust' | 'domain'> {
  /** Trust classes that the host builds for. */
  readonly trust: readonly Trust[];
  readonly isolation: Isolation;
  /** Whether it serves only one isolation domain, that of its first build, because it uses the engine's only BuildKit. */
  readonly oneDomain: boolean;
  /** The budget that a class's builders share; absent if Kiln doesn't control it. */
  readonly cacheBudgets?: Readonly<Partial<Record<Trust, number>>>;
}

interface Started {
  readonly options: TreeOptions;
  readonly engine: Docker;
  readonly info: HostBuildersInfo;
  readonly builder: Builder | undefined;
}

/** The options, with a budget of working trees for each class: neither class can evict the other's. */
type TreeOptions = HostBuildersOptions & { readonly treeBudgets: Readonly<Record<Trust, TreeBudget>> };

/**
 * The builders of a host, one for each isolation domain. With `docker-container` each is a BuildKit with its own volume, started for the first build of
 * its domain; with `docker` there is only the engine's BuildKit, which the first domain claims permanently.
 */
export class HostBuilders {
  readonly info: HostBuildersInfo;
  readonly #options: TreeOptions;
  readonly #engine: Docker;
  readonly #open = new Map<string, Builder>();
  /** The builder of the engine's own BuildKit, if `info.oneDomain`. */
  readonly #only: Builder | undefined;

  private constructor({ options, engine, info, builder }: Started) {
    this.#options = options;
    this.#engine = engine;
    this.info = info;
    if (info.oneDomain) this.#only = builder;
    else if (builder?.info.domain !== undefined) this.#open.set(builder.info.domain, builder);
  }

  /**
   * Finds out what builders can do here, and stops those that a killed worker left running. Removes caches of another isolation than the configured one,
   * which no build may use any more.
   * @throws as `Builder.start`; nothing is left running then
   */
  static async start(given: HostBuildersOptions): Promise<HostBuilders> {
    const engine = connectEngine(given.dockerSocket ?? DEFAULT_SOCKET);
    await callEngine('ping', () => engine.ping());
    const driver = await chooseDriver({ options: given, engine });
    if (driver === 'docker') await checkEngineSettings(given, engine);
    const options = { ...given, driver, treeBudgets: await treeBudgets(given) };
    for (const name of await toolContainers(engine, options)) await removeContainer(engine, name);
    await removeFreshBuilders(engine, options);
    return new HostBuilders(driver === 'docker' ? await engineOnly(options, engine) : await perDomain(options, engine));
  }

  /** The only domain that it serves, if `info.oneDomain` and it has been claimed. */
  get domain(): string | undefined {
    return this.#only?.info.domain;
  }

  /** Domains whose builders are running. */
  get running(): readonly string[] {
    const { domain } = this;
    return domain === undefined ? [...this.#open.keys()] : [domain];
  }

  /** What working trees take on the disk, bytes, about, and what they may take. */
  get trees(): { readonly usedBytes: number; readonly budgetBytes: number } {
    const budgets = Object.values(this.#options.treeBudgets);
    return {
      usedBytes: budgets.reduce((sum, { usedBytes }) => sum + usedBytes, 0),
      budgetBytes: budgets.reduce((sum, { limitBytes }) => sum + limitBytes, 0),
    };
  }

  /** Lists the domains that have caches here, running or not. @throws EngineError */
  async stored(): Promise<readonly string[]> {
    if (this.info.oneDomain) return this.running;
    return (await this.#stored()).map(({ domain }) => domain);
  }

  /**
   * Returns the domain's builder; starts it if necessary, with `cacheBudgetBytes` for its caches.
   * @throws EngineTaken if the host serves another domain @throws as `Builder.start`
   */
  async open(domain: string, cacheBudgetBytes?: number): Promise<Builder> {
    const { trust = 'trusted' } = readDomain(domain) ?? {};
    if (!this.info.trust.includes(trust)) throw new RangeError(`this host has no builder for ${trust} builds`);
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

  /** Stops the domain's builder, if it is running; its caches stay. */
  async stop(domain: string): Promise<void> {
    const builder = this.#open.get(domain);
    this.#open.delete(domain);
    await builder?.stop();
  }

  /** Removes a domain's builder and caches. @throws EngineError */
  async discard(domain: string): Promise<void> {
    await this.stop(domain);
    for (const stored of await this.#stored()) {
      if (stored.domain === domain) await removeDomain(this.#options, this.#engine, stored);
    }
  }

  /** Determines why a domain's builder can't be started or doesn't answer. @param error what that failed with @throws EngineError */
  async whyDown(domain: string, error: string): Promise<BuilderFault> {
    if (this.info.driver === 'docker') return { state: 'down', message: error };
    return await whyDown(this.#engine, containerOf(builderName(this.#ofDomain(domain))), error);
  }

  /**
   * Stops a domain's builder and gives it a new, empty state; the old one stays in its volume under `name`, or is removed if that is undefined.
   * @throws RangeError with the driver `docker`, whose state is the engine's @throws EngineError
   */
  async renew(domain: string, name: string | undefined): Promise<void> {
    if (this.info.driver === 'docker') throw new RangeError('the engine’s own BuildKit can’t get a new state');
    await this.stop(domain);
    const own = this.#ofDomain(domain);
    // Also one whose builder couldn't be started, and which the engine keeps restarting.
    await stopContainer(this.#engine, containerOf(builderName(own)));
    const aside = name ?? 'removed';
    await setAside(this.#engine, stateVolume(own), aside);
    if (name === undefined) await removeAside(this.#engine, stateVolume(own), aside);
  }

  /** Removes a state that `renew` has kept, if it is there. @throws EngineError */
  async removeBroken(domain: string, name: string): Promise<void> {
    const own = stateVolume(this.#ofDomain(domain));
    if ((await this.#stored()).some(({ volume }) => volume === own.volume)) await removeAside(this.#engine, own, name);
  }

  /** Checks that the engine answers. @throws EngineError */
  async ping(): Promise<void> {
    await callEngine('ping', () => this.#engine.ping());
  }

  /** Evaluates bake files. Returns what `docker buildx bake --print` prints. @throws BakeInvalid @throws EngineError @throws the signal's reason */
  async evaluateBake(input: BakeInput, signal: AbortSignal): Promise<string> {
    const { hostName, instance, toolImage: image } = this.#options;
    const labels = { 'kiln.host': hostName, 'kiln.instance': instance };
    return await evaluateBake({ engine: this.#engine, image, labels }, input, signal);
  }

  /** Stops running builds. The builders and their caches stay. */
  async close(): Promise<void> {
    const all = this.#only ? [this.#only] : [...this.#open.values()];
    await Promise.all(all.map((builder) => builder.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #ofDomain(domain: string): BuilderOptions {
    return ofDomain(this.#options, readDomain(domain)?.trust ?? 'trusted', domain);
  }

  async #stored(): Promise<StoredCaches[]> {
    const all = await storedCaches(this.#engine, this.#options);
    return all.filter(({ domain }) => this.info.trust.some((trust) => trust === readDomain(domain)?.trust));
  }
}

/** Refuses settings that only the engine's own configuration could apply. @throws EngineDiffers @throws EngineError */
async function checkEngineSettings({ settings }: HostBuildersOptions, engine: Docker): Promise<void> {
  if (settings) checkEngine(settings, (await callEngine('info', () => engine.info())) as EngineInfo);
}

async function engineOnly(options: TreeOptions, engine: Docker): Promise<Started> {
  const { trust = 'trusted', log } = options;
  const owner = await engineDomain(engine);
  const claimed = owner === undefined ? undefined : readDomain(owner);
  const isolation = options.isolation ?? claimed?.isolation ?? 'team';
  if (owner !== undefined && claimed?.isolation !== isolation && isolation !== 'pool')
    throw new EngineTaken(owner, `isolation ${isolation}`);
  if (claimed && claimed.trust !== trust)
    throw new EngineNotApart(`the engine’s BuildKit is claimed for ${claimed.trust} builds, got ${trust}`);
  if (isolation === 'pool' && claimed && claimed.isolation !== 'pool')
    log.warn(
      { domain: owner },
      'the engine’s BuildKit was claimed for one team or repo; from now on all builds share its caches',
    );
  // All of the pool's builds of a class are one domain, so it is known before the first build.
  const builder = await Builder.start({
    ...ofDomain(options, trust, null),
    domain: isolation === 'pool' ? trust : null,
  });
  const info = infoOf(builder, [trust], isolation, true);
  if (isolation !== 'pool') {
    log.info(
      { isolation, domain: builder.info.domain },
      `the docker driver has only one BuildKit, which can’t isolate ${isolation}s: this host serves one ${isolation}, that of its first build; ` +
        'to serve several, use the docker-container driver or more hosts, or set KILN_ISOLATION=pool to let all builds share caches',
    );
  }
  return { options, engine, info, builder };
}

async function perDomain(options: TreeOptions, engine: Docker): Promise<Started> {
  const { trust, isolation = 'team', log } = options;
  const classes: readonly Trust[] = trust ? [trust] : TRUSTS;
  // The default budget is a share of this directory's disk.
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
  const start = (key: string) => {
    const ofClass = readDomain(key)?.trust ?? first;
    const cacheBudgetBytes = cacheBudgets[ofClass];
    return Builder.start({
      ...ofDomain(options, ofClass, key),
      ...(cacheBudgetBytes !== undefined && { cacheBudgetBytes }),
    });
  };
  let domain = usable ?? (isolation === 'pool' ? first : PROBE);
  const builder = await start(domain).catch((error: unknown) => {
    if (usable === undefined) throw error;
    // Its caches may be damaged, which must not keep the whole host out.
    log.warn({ err: error, domain }, 'starting a builder failed; it is tried again with its next build');
    domain = PROBE;
    return start(PROBE);
  });
  const cacheBudget = { bytes: budget, from: 'configured' as const };
  const info = { ...infoOf(builder, classes, isolation, false), cacheBudget, cacheBudgets };
  if (domain !== PROBE) return { options, engine, info, builder };
  await builder.stop();
  for (const stored of await storedCaches(engine, options)) {
    if (stored.domain === PROBE) await removeDomain(options, engine, stored);
  }
  return { options, engine, info, builder: undefined };
}

/** Removes a domain's container, caches and directory. */
async function removeDomain(options: TreeOptions, engine: Docker, stored: StoredCaches): Promise<void> {
  await removeStored(engine, stored);
  const own = ofDomain(options, readDomain(stored.domain)?.trust ?? 'trusted', stored.domain);
  await removeTrees(own, engine);
  const { scratchDir } = own;
  // The directory of the pool's trusted builder stays: the budget of all builders is measured on its disk.
  if (scratchDir !== options.scratchDir) await rm(scratchDir, { recursive: true, force: true });
}

function infoOf(builder: Builder, trust: readonly Trust[], isolation: Isolation, oneDomain: boolean): HostBuildersInfo {
  const { trust: _, domain: __, ...rest } = builder.info;
  return { ...rest, trust, isolation, oneDomain };
}

/** Returns the options of a domain's builder, with its own directory and its class's logins. */
function ofDomain(options: TreeOptions, trust: Trust, domain: string | null): BuilderOptions {
  const { untrustedDockerConfigDir, dockerConfigDir, treeBudgets, ...others } = options;
  const { untrustedCacheBudgetBytes: _, isolation: __, treeBudgetBytes: ___, ...rest } = others;
  const logins = trust === 'trusted' ? dockerConfigDir : untrustedDockerConfigDir;
  const slug = domainSlug({ ...rest, trust, domain });
  return {
    ...rest,
    trust,
    domain,
    treeBudget: treeBudgets[trust],
    scratchDir: slug === 'trusted' ? rest.scratchDir : `${rest.scratchDir}-${slug}`,
    ...(logins !== undefined && { dockerConfigDir: logins }),
  };
}
