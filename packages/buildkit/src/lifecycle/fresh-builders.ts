import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type Docker from 'dockerode';
import { buildkitConnector, type ConnectBuildkit } from '../control/buildkit-connection.ts';
import { removeContainer } from '../engine/containers.ts';
import { callEngine, hasStatus } from '../engine/engine.ts';
import { containerOf, volumeOf } from './builder-names.ts';
import type { BuilderOptions } from './builder-options.ts';
import { type BuilderHost, startBuildkit } from './buildx-builder.ts';

const HOST = 'kiln.host';
const INSTANCE = 'kiln.instance';
const FRESH = 'kiln.fresh';
const REMOVE_TIMEOUT_MS = 60_000;
const BUSY_RETRY_MS = 200;

/** A builder for one attempt. Disposing of it removes it with all that it holds. */
export interface FreshBuilder extends AsyncDisposable {
  readonly name: string;
  /** buildx's configuration, which knows only this builder. */
  readonly buildxConfig: string;
  readonly connectBuildkit: ConnectBuildkit;
}

/** Makes builders for single attempts, with the configuration of their domain's long-lived one (driver `docker-container`). */
export class FreshBuilders {
  readonly #host: BuilderHost;
  /** Builders that could not be removed, tried again with the next one. */
  readonly #left = new Set<string>();

  constructor(host: BuilderHost) {
    this.#host = host;
  }

  /** Starts a builder that is named after the attempt. Takes a few seconds. @throws EngineError; nothing is left then */
  async make(attempt: string): Promise<FreshBuilder> {
    const { engine, options } = this.#host;
    await this.#removeLeft();
    const name = `${prefixOf(options)}${attempt}`;
    const buildxConfig = join(options.scratchDir, 'fresh', attempt);
    const remove = () => this.#remove(name, buildxConfig);
    try {
      await this.#volume(volumeOf(name), attempt);
      await mkdir(join(buildxConfig, 'instances'), { recursive: true });
      await startBuildkit(this.#host, name, buildxConfig);
    } catch (error) {
      await remove();
      throw error;
    }
    return {
      name,
      buildxConfig,
      connectBuildkit: buildkitConnector(engine, containerOf(name)),
      [Symbol.asyncDispose]: remove,
    };
  }

  /** The volume comes first, so that its labels show whose the builder is, however early a worker dies. buildx finds it by its name. */
  async #volume(name: string, attempt: string): Promise<void> {
    const { engine, options } = this.#host;
    const { hostName, instance } = options;
    await callEngine('create the volume of a builder', (abortSignal) =>
      engine.createVolume({
        Name: name,
        Labels: { [HOST]: hostName, [INSTANCE]: instance, [FRESH]: attempt },
        abortSignal,
      }),
    );
  }

  /** Never rejects: the build's result is known by now. */
  async #remove(name: string, buildxConfig: string): Promise<void> {
    try {
      await removeFresh(this.#host.engine, name);
      this.#left.delete(name);
    } catch (error) {
      this.#left.add(name);
      this.#host.options.log.warn({ err: error, builder: name }, 'builder of an attempt could not be removed yet');
    }
    await rm(buildxConfig, { recursive: true, force: true }).catch(() => undefined);
  }

  async #removeLeft(): Promise<void> {
    for (const name of this.#left) {
      await removeFresh(this.#host.engine, name);
      this.#left.delete(name);
    }
  }
}

/** Removes the builders of attempts that a killed worker of this host left. None may be in use. @throws EngineError */
export async function removeFreshBuilders(
  engine: Docker,
  { hostName, instance }: Pick<BuilderOptions, 'hostName' | 'instance'>,
): Promise<void> {
  const label = [`${HOST}=${hostName}`, `${INSTANCE}=${instance}`, FRESH];
  const { Volumes } = await callEngine('list volumes', (abortSignal) =>
    engine.listVolumes({ filters: { label }, abortSignal }),
  );
  const prefix = prefixOf({ hostName, instance });
  for (const { Labels } of Volumes ?? []) await removeFresh(engine, `${prefix}${Labels[FRESH]}`);
}

/** No long-lived builder's name begins like this. */
function prefixOf({ hostName, instance }: Pick<BuilderOptions, 'hostName' | 'instance'>): string {
  return `kilnfresh-${hostName}-${instance}-`;
}

async function removeFresh(engine: Docker, name: string): Promise<void> {
  const end = Date.now() + REMOVE_TIMEOUT_MS;
  for (;;) {
    try {
      return await removeOnce(engine, name);
    } catch (error) {
      // The container is being removed already, or was removed this moment and still counts as the volume's user.
      if (!hasStatus(error, 409) || Date.now() > end) throw error;
      await delay(BUSY_RETRY_MS);
    }
  }
}

async function removeOnce(engine: Docker, name: string): Promise<void> {
  await removeContainer(engine, containerOf(name));
  const volume = volumeOf(name);
  try {
    const remove = (abortSignal: AbortSignal) => engine.getVolume(volume).remove({ abortSignal });
    await callEngine(`remove ${volume}`, remove, REMOVE_TIMEOUT_MS);
  } catch (error) {
    if (!hasStatus(error, 404)) throw error;
  }
}
