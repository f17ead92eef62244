import type Docker from 'dockerode';
import { removeContainer } from '../engine/containers.ts';
import { callEngine } from '../engine/engine.ts';
import { builderName, domainOf, volumeOf } from './builder-names.ts';
import type { BuilderOptions } from './builder-options.ts';

/** Directory in a builder's volume for states that were set aside. BuildKit ignores it. */
const ASIDE = '.kiln-broken';
/** Moving is instant, but removing the state of a large cache takes time. */
const TIMEOUT_MS = 900_000;

interface StateVolume {
  readonly volume: string;
  /** An image with a POSIX shell. */
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Returns the volume of a builder's state. */
export function stateVolume(options: BuilderOptions): StateVolume {
  const { hostName, instance, toolImage: image } = options;
  const labels = { 'kiln.host': hostName, 'kiln.instance': instance, 'kiln.domain': domainOf(options) ?? '' };
  return { volume: volumeOf(builderName(options)), image, labels };
}

/**
 * Gives a stopped builder a new, empty state. The old one stays in the volume under `name`, where BuildKit doesn't look, without being copied.
 * @throws EngineError @throws Error if a file can't be moved
 */
export async function setAside(engine: Docker, volume: StateVolume, name: string): Promise<void> {
  await inVolume(
    engine,
    volume,
    `mkdir -p "${ASIDE}/$1"; for entry in * .[!.]*; do
       if [ "$entry" != "${ASIDE}" ] && { [ -e "$entry" ] || [ -L "$entry" ]; }; then mv "$entry" "${ASIDE}/$1/"; fi
     done`,
    name,
  );
}

/** Removes a state that was set aside; does nothing if it is gone. @throws as `setAside` */
export async function removeAside(engine: Docker, volume: StateVolume, name: string): Promise<void> {
  await inVolume(engine, volume, `rm -rf "${ASIDE}/$1"; rmdir "${ASIDE}" 2>/dev/null || true`, name);
}

/** Runs a shell script in the directory of the volume, with `name` as its argument. */
async function inVolume(engine: Docker, { volume, image, labels }: StateVolume, script: string, name: string) {
  const created = await callEngine(`create a container on ${volume}`, (abortSignal) =>
    engine.createContainer({
      Image: image,
      Entrypoint: ['sh', '-ec', script, 'sh', name],
      Cmd: [],
      User: '0:0',
      WorkingDir: '/state',
      Labels: { ...labels },
      HostConfig: { Binds: [`${volume}:/state`], NetworkMode: 'none' },
      abortSignal,
    }),
  );
  try {
    await callEngine(`start a container on ${volume}`, (abortSignal) => created.start({ abortSignal }));
    const { StatusCode } = (await callEngine(
      `wait for a container on ${volume}`,
      (abortSignal) => created.wait({ abortSignal }),
      TIMEOUT_MS,
    )) as { StatusCode: number };
    if (StatusCode === 0) return;
    const log = await callEngine('read its log', () => created.logs({ stderr: true, stdout: true, tail: 5 }));
    throw new Error(`the state in volume ${volume} could not be changed: ${log.toString('utf8').trim()}`);
  } finally {
    await removeContainer(engine, created.id);
  }
}
