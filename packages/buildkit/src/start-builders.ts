import { mkdir } from 'node:fs/promises';
import { TRUSTS, type Trust } from '@kiln/domain';
import { Builder } from './builder.ts';
import type { BuilderOptions } from './builder-options.ts';
import { chooseDriver } from './buildx-builder.ts';
import { configuredBudget, splitBudget } from './cache-budget.ts';
import { callEngine, connectEngine, DEFAULT_SOCKET } from './engine.ts';

export interface HostBuildersOptions extends BuilderOptions {
  /** The only class that the host builds for. Default: both where the driver keeps them apart, else `trusted`. */
  readonly trust?: Trust;
  /** Of all builders together. */
  readonly cacheBudgetBytes?: number;
  /** The untrusted builder's part of it. Default: a quarter. */
  readonly untrustedCacheBudgetBytes?: number;
  /** Registry logins of trusted builds alone. */
  readonly dockerConfigDir?: string;
  /** … and of untrusted ones, which have none otherwise. */
  readonly untrustedDockerConfigDir?: string;
}

/**
 * Brings up a host's builders, one for each class of trust that the driver keeps apart from the other: with `docker-container` each is a BuildKit with
 * a volume of its own; the `docker` driver has only the engine's.
 * @throws as `Builder.start`; then none is left
 */
export async function startBuilders(options: HostBuildersOptions): Promise<[Builder, ...Builder[]]> {
  const engine = connectEngine(options.dockerSocket ?? DEFAULT_SOCKET);
  await callEngine('ping', () => engine.ping());
  const driver = await chooseDriver({ options, engine });
  const classes: readonly Trust[] = options.trust ? [options.trust] : driver === 'docker' ? ['trusted'] : TRUSTS;
  const each = await optionsByClass({ ...options, driver }, classes);
  // A worker of other classes that was killed here has left its tool container, in which its builds go on until the fence.
  for (const trust of TRUSTS) if (!classes.includes(trust)) await Builder.remove(ofClass(options, trust));
  const started = await Promise.allSettled(each.map((one) => Builder.start(one)));
  const builders = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = started.find((one) => one.status === 'rejected');
  const [first, ...more] = builders;
  if (first && !failed) return [first, ...more];
  await Promise.allSettled(builders.map((builder) => builder.close()));
  throw failed?.reason;
}

async function optionsByClass(options: HostBuildersOptions, classes: readonly Trust[]): Promise<BuilderOptions[]> {
  if (classes.length === 1) return classes.map((trust) => ofClass(options, trust));
  // The budget is a share of the disk that holds it.
  await mkdir(options.scratchDir, { recursive: true, mode: 0o700 });
  const budgets = splitBudget(await configuredBudget(options), options.untrustedCacheBudgetBytes);
  return classes.map((trust) => ({ ...ofClass(options, trust), cacheBudgetBytes: budgets[trust] }));
}

/** What the builder of a class has to itself: its directory, and its logins. */
function ofClass(options: HostBuildersOptions, trust: Trust): BuilderOptions {
  const { untrustedCacheBudgetBytes: _, untrustedDockerConfigDir, dockerConfigDir, scratchDir, ...rest } = options;
  const logins = trust === 'trusted' ? dockerConfigDir : untrustedDockerConfigDir;
  return {
    ...rest,
    trust,
    scratchDir: trust === 'trusted' ? scratchDir : `${scratchDir}-${trust}`,
    ...(logins !== undefined && { dockerConfigDir: logins }),
  };
}
