import { createHash } from 'node:crypto';
import type Docker from 'dockerode';
import { removeContainer, stopContainer } from '../engine/containers.ts';
import { callEngine } from '../engine/engine.ts';
import type { BuilderSettings } from '../settings/builder-settings.ts';
import { proxyEnv } from '../settings/proxy.ts';
import { START_SCRIPT, startEnv } from './start-script.ts';

const LABEL = 'kiln.settings';
const COPY_TIMEOUT_MS = 60_000;
/** Where buildx puts `buildkitd.toml` and registries' certificates. */
const CONFIG_DIR = '/etc/buildkit';

/**
 * Gives a builder's container what buildx can't: DNS servers, proxies, authorities, limits of its steps. The container that buildx made is replaced by
 * one that differs in nothing else, once; the volume with the caches stays.
 * @returns whether it was replaced, and so BuildKit isn't up yet
 * @throws EngineError
 */
export async function adaptContainer(engine: Docker, name: string, settings: BuilderSettings): Promise<boolean> {
  const { dns, proxy, authorities = [], limits } = settings;
  const env = [...proxyEnv(proxy), ...startEnv(authorities, limits)];
  if (env.length === 0 && !dns) return false;
  const wanted = createHash('sha256')
    .update(JSON.stringify([env, dns, START_SCRIPT]))
    .digest('hex');
  const container = engine.getContainer(name);
  const made = await callEngine(`inspect ${name}`, (abortSignal) => container.inspect({ abortSignal }));
  if (made.Config.Labels?.[LABEL] === wanted) return false;
  const { Config, HostConfig, NetworkSettings } = made;
  await stopContainer(engine, name);
  const config = await callEngine(`read ${CONFIG_DIR} of ${name}`, () => container.getArchive({ path: CONFIG_DIR }));
  const bytes = await readAll(config);
  await removeContainer(engine, name);
  const entrypoint = [Config.Entrypoint ?? []].flat();
  const changed = await callEngine(`create ${name}`, (abortSignal) =>
    engine.createContainer({
      ...Config,
      name,
      Entrypoint: ['/bin/sh', '-c', START_SCRIPT, 'kiln-start', ...entrypoint],
      Env: [...(Config.Env ?? []), ...env],
      Labels: { ...Config.Labels, [LABEL]: wanted },
      HostConfig: {
        ...HostConfig,
        ...(dns?.servers && { Dns: [...dns.servers] }),
        ...(dns?.search && { DnsSearch: [...dns.search] }),
        ...(dns?.options && { DnsOptions: [...dns.options] }),
      },
      NetworkingConfig: { EndpointsConfig: networksOf(NetworkSettings) },
      abortSignal,
    }),
  );
  await callEngine(
    `write ${CONFIG_DIR} of ${name}`,
    () => changed.putArchive(bytes, { path: '/etc' }),
    COPY_TIMEOUT_MS,
  );
  return true;
}

/** Returns the networks by name, without the addresses that the old container had. */
function networksOf({ Networks }: Docker.ContainerInspectInfo['NetworkSettings']): Docker.EndpointsConfig {
  return Object.fromEntries(Object.keys(Networks).map((name) => [name, {}])) as Docker.EndpointsConfig;
}

async function readAll(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}
