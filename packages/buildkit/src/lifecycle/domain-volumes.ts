import { readDomain } from '@kiln/domain';
import type Docker from 'dockerode';
import { removeContainer } from '../engine/containers.ts';
import { callEngine, EngineError, hasStatus } from '../engine/engine.ts';
import { builderName, builderPrefix, containerOf, domainOf, volumeOf } from './builder-names.ts';
import type { BuilderOptions } from './builder-options.ts';

const HOST = 'kiln.host';
const INSTANCE = 'kiln.instance';
const DOMAIN = 'kiln.domain';
const REMOVE_TIMEOUT_MS = 60_000;

type Host = Pick<BuilderOptions, 'hostName' | 'instance'>;

/**
 * Creates the volume for a builder's caches before buildx would, with a label for the isolation domain, which has to be stored with the caches
 * themselves.
 * @throws EngineError also if the volume belongs to another domain
 */
export async function ensureVolume(engine: Docker, options: BuilderOptions): Promise<void> {
  const name = volumeOf(builderName(options));
  const domain = domainOf(options) ?? '';
  await callEngine('create the volume of the builder', (abortSignal) =>
    engine.createVolume({
      Name: name,
      Labels: { [HOST]: options.hostName, [INSTANCE]: options.instance, [DOMAIN]: domain },
      abortSignal,
    }),
  );
  const { Labels } = await callEngine('inspect the volume of the builder', (abortSignal) =>
    engine.getVolume(name).inspect({ abortSignal }),
  );
  const owner = labelOf(Labels, domain);
  if (owner === domain) return;
  const message = `docker engine: volume ${name}: got caches of ${owner ?? 'an unknown domain'}, expected ${domain}`;
  throw new EngineError(message, undefined, undefined);
}

/** Returns the volume's domain. A volume without labels, from older versions, belongs to a class of the pool. */
function labelOf(labels: Record<string, string> | null, domain: string): string | undefined {
  return labels?.[DOMAIN] ?? (readDomain(domain)?.isolation === 'pool' ? domain : undefined);
}

/** Caches of a builder of this host, whether it runs or not. */
export interface StoredCaches {
  readonly domain: string;
  readonly volume: string;
  readonly container: string;
}

/** Lists the caches of this host's builders in the engine. @throws EngineError */
export async function storedCaches(engine: Docker, host: Host): Promise<StoredCaches[]> {
  const prefix = containerOf(builderPrefix(host)).slice(0, -1);
  const { Volumes } = await callEngine('list volumes', (abortSignal) =>
    engine.listVolumes({ filters: { name: [prefix] }, abortSignal }),
  );
  return (Volumes ?? []).flatMap(({ Name, Labels }) => {
    if (!Name.startsWith(prefix) || !Name.endsWith(STATE)) return [];
    const isOwn = Labels?.[HOST] === host.hostName && Labels[INSTANCE] === host.instance;
    const domain = isOwn ? Labels[DOMAIN] : classOf(Name.slice(prefix.length, -STATE.length));
    if (domain === undefined) return [];
    return [{ domain, volume: Name, container: Name.slice(0, -'_state'.length) }];
  });
}

const STATE = '0_state';

/** Volumes without labels, from older versions, belong to the two classes of the pool. */
function classOf(slug: string): string | undefined {
  return readDomain(slug)?.isolation === 'pool' ? slug : undefined;
}

/** Removes a builder's container and its caches. @throws EngineError */
export async function removeStored(engine: Docker, { volume, container }: StoredCaches): Promise<void> {
  await removeContainer(engine, container);
  try {
    await callEngine(
      `remove ${volume}`,
      (abortSignal) => engine.getVolume(volume).remove({ abortSignal }),
      REMOVE_TIMEOUT_MS,
    );
  } catch (error) {
    if (!hasStatus(error, 404)) throw error;
  }
}

/** Lists the names of this host's tool containers, which a killed worker may have left. @throws EngineError */
export async function toolContainers(engine: Docker, { hostName, instance }: Host): Promise<string[]> {
  const label = [`${HOST}=${hostName}`, `${INSTANCE}=${instance}`];
  const found = await callEngine('list containers', (abortSignal) =>
    engine.listContainers({ all: true, filters: { label }, abortSignal }),
  );
  return found.flatMap(({ Names }) => Names.map((name) => name.replace(/^\//, '')));
}
