import { readDomain } from '@kiln/domain';
import type Docker from 'dockerode';
import { builderName, builderPrefix, containerOf, domainOf, volumeOf } from './builder-names.ts';
import type { BuilderOptions } from './builder-options.ts';
import { callEngine, EngineError, hasStatus } from './engine.ts';

const HOST = 'kiln.host';
const INSTANCE = 'kiln.instance';
const DOMAIN = 'kiln.domain';
const REMOVE_TIMEOUT_MS = 60_000;

type Host = Pick<BuilderOptions, 'hostName' | 'instance'>;

/**
 * Makes the volume of a builder's caches before buildx would, with a label that says which isolation domain they are of: that has to lie beside the
 * caches themselves.
 * @throws EngineError also where the volume is another domain's
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
  const message = `docker engine: the volume ${name} holds caches of ${owner ?? 'nobody known'}, not of ${domain}`;
  throw new EngineError(message, undefined, undefined);
}

/** A volume from before there were labels is that of a class of the pool. */
function labelOf(labels: Record<string, string> | null, domain: string): string | undefined {
  return labels?.[DOMAIN] ?? (readDomain(domain)?.isolation === 'pool' ? domain : undefined);
}

/** Caches that a builder of this host has left in the engine, whether it runs or not. */
export interface StoredCaches {
  readonly domain: string;
  readonly volume: string;
  readonly container: string;
}

/** What this host's builders have left in the engine. @throws EngineError */
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

/** Volumes of before there were labels are those of the pool's two classes. */
function classOf(slug: string): string | undefined {
  return readDomain(slug)?.isolation === 'pool' ? slug : undefined;
}

/** Removes a builder's container and its caches for good. */
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

/** Removes a container, and volumes that have no name with it. */
export async function removeContainer(engine: Docker, name: string): Promise<void> {
  const remove = () => engine.getContainer(name).remove({ force: true, v: true });
  try {
    await callEngine(`remove ${name}`, remove, REMOVE_TIMEOUT_MS);
  } catch (error) {
    if (!hasStatus(error, 404)) throw error;
  }
}

/** Stops a container in order; it starts again only when it is told to. Its caches stay. */
export async function stopContainer(engine: Docker, name: string): Promise<void> {
  try {
    await callEngine(`stop ${name}`, () => engine.getContainer(name).stop({ t: 10 }), REMOVE_TIMEOUT_MS);
  } catch (error) {
    // 304: it doesn't run.
    if (!hasStatus(error, 304, 404)) throw error;
  }
}

/** Names of the tool containers of this host, that a killed worker may have left. */
export async function toolContainers(engine: Docker, { hostName, instance }: Host): Promise<string[]> {
  const label = [`${HOST}=${hostName}`, `${INSTANCE}=${instance}`];
  const found = await callEngine('list containers', (abortSignal) =>
    engine.listContainers({ all: true, filters: { label }, abortSignal }),
  );
  return found.flatMap(({ Names }) => Names.map((name) => name.replace(/^\//, '')));
}
