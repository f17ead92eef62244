import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { artifactsOf, type BuildSpec, outputsOf, type TargetSpec } from '@kiln/contracts';
import type Docker from 'dockerode';
import { callEngine } from '../engine/engine.ts';
import { messageOf } from '../engine/message-of.ts';
import type { Halt } from '../outcome/halt.ts';
import type { ArtifactPipe } from './artifact-pipe.ts';
import { renamedArchive } from './renamed-archive.ts';

/** The engine begins to send an image only when it has collected all of it, ms. */
const SAVE_TIMEOUT_MS = 600_000;

/**
 * Archives of images, made by the engine. With its classic image store its BuildKit exports none, but loads images into the engine, which can save them. Images get
 * a name of their own for that, so that those with the build's tags stay as they are.
 */
export class EngineArchives {
  readonly #engine: Docker;
  readonly #repository: string;

  /** @param builder its name, in lower case */
  constructor(engine: Docker, builder: string) {
    this.#engine = engine;
    this.#repository = `kiln.local/archive/${builder}`;
  }

  /** Returns the names under which the images of a run's targets are loaded; undefined for targets that are exported in another way. */
  imagesOf(run: string, targets: readonly TargetSpec[]): readonly (string | undefined)[] {
    return targets.map(({ spec }, i) => (isArchive(spec) ? `${this.#repository}:${run}-${i}` : undefined));
  }

  /** Writes an image as `docker save` does, with other names. @throws EngineError @throws the signal's reason */
  async *save(image: string, names: readonly string[], signal: AbortSignal): AsyncGenerator<Buffer> {
    const saved = await callEngine(`save ${image}`, () => this.#engine.getImage(image).get(), SAVE_TIMEOUT_MS);
    signal.throwIfAborted();
    yield* renamedArchive(saved as AsyncIterable<Buffer>, names);
  }

  /** Removes images, if they exist. Never rejects: at the worst they take space until the next start. */
  async remove(images: readonly (string | undefined)[]): Promise<void> {
    const names = images.filter((image) => image !== undefined);
    await Promise.allSettled(names.map((image) => this.#engine.getImage(image).remove()));
  }

  /** Removes the images that a killed worker has left. @throws EngineError */
  async clear(): Promise<void> {
    const filters = { reference: [this.#repository] };
    const left = await callEngine('list images', () => this.#engine.listImages({ filters }));
    const names = left.flatMap(({ RepoTags }) => RepoTags ?? []);
    await this.remove(names.filter((name) => name.startsWith(`${this.#repository}:`)));
  }
}

/** The archives of one run. */
export interface RunArchives {
  readonly archives: Pick<EngineArchives, 'save' | 'remove'>;
  readonly targets: readonly TargetSpec[];
  /** As `EngineArchives.imagesOf` returns them. */
  readonly images: readonly (string | undefined)[];
  /** Paths of the files for the artifacts of all targets; empty if the only one goes to `artifact`. */
  readonly files: readonly string[];
  readonly artifact: Pick<ArtifactPipe, 'write'> | undefined;
}

/**
 * Saves the images that a run has loaded into the engine, each where the artifact of its target is expected, and removes them from the engine. Returns whether
 * all are saved; if not, the run is halted.
 * @param isBuilt whether the run has succeeded so far; otherwise there is nothing to save
 */
export async function saveArchives(run: RunArchives, isBuilt: boolean, halt: Halt): Promise<boolean> {
  try {
    if (isBuilt) await saveAll(run, halt.signal);
    return isBuilt;
  } catch (error) {
    halt.fail({ code: 'infrastructure', message: `the image could not be saved from the engine: ${messageOf(error)}` });
    return false;
  } finally {
    await run.archives.remove(run.images);
  }
}

async function saveAll({ archives, targets, images, files, artifact }: RunArchives, signal: AbortSignal) {
  let at = 0;
  for (const [i, { spec }] of targets.entries()) {
    const [image, file] = [images[i], files[at]];
    at += artifactsOf(spec.output).length;
    if (image === undefined) continue;
    const tar = archives.save(image, artifactsOf(spec.output)[0]?.names ?? spec.tags, signal);
    if (file !== undefined) await pipeline(tar, createWriteStream(file), { signal });
    else for await (const chunk of tar) await artifact?.write(chunk);
  }
}

/** Whether an archive of its image is all that a target makes: BuildKit of engines with the classic image store makes nothing besides. */
function isArchive({ output }: BuildSpec): boolean {
  const [one, ...others] = outputsOf(output);
  return one?.type === 'artifact' && one.format === 'docker' && others.length === 0;
}
