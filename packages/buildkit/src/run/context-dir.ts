import { appendFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import { OUTSIDE_DOCKERFILE } from '@kiln/contracts';
import type { Failure } from '@kiln/domain';
import {
  type BuildFiles,
  buildFiles,
  copyOut,
  type EntryTree,
  NoBuildFile,
  TarFault,
  type Unpacked,
  unpackTar,
} from '@kiln/trees';
import { copyName } from '../trees/dockerfile-copies.ts';

/** The context can't be built from. */
export class ContextUnusable extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** A context in a directory. buildx applies `.dockerignore` to it, which may exclude the Dockerfile as well. */
export interface ContextDir {
  readonly path: string;
  /** Absolute path of a copy outside of `path`, next to the ignore file that applies. */
  readonly dockerfile: string;
}

export interface ContextPlace {
  readonly dir: string;
  /** File for the modes that a change of the owner clears, and the paths that have them, in the format of `xargs -0 -n 2 chmod`. */
  readonly modesFile: string;
}

/**
 * Unpacks an uploaded context, tar or gzipped tar, into `<dir>/context`. If it were passed as a tar on standard input, BuildKit would ignore
 * `.dockerignore`, and the build would differ from a developer's.
 *
 * The Dockerfile and its ignore file are looked up in the tree as it was read, and copied to `<dir>/dockerfile`: buildx opens the
 * Dockerfile's directory by its path, and would follow links on the way.
 * @throws ContextUnusable @throws the signal's AbortError
 */
export async function unpackContext(
  open: () => Promise<Readable>,
  dockerfile: string,
  { dir, modesFile }: ContextPlace,
  signal: AbortSignal,
): Promise<ContextDir> {
  const path = join(dir, 'context');
  const { tree, setIdModes } = await unpack(await opened(open), path, signal);
  await noteModes(setIdModes, path, modesFile);
  return {
    path,
    dockerfile: await placeDockerfile(path, found(tree, dockerfile), dockerfile, join(dir, 'dockerfile')),
  };
}

/** Unpacks a tar into `<dir>/contexts/<number>`; returns the path. @throws ContextUnusable @throws the signal's AbortError */
export async function unpackNamedContext(
  tar: Readable,
  number: number,
  { dir, modesFile }: ContextPlace,
  signal: AbortSignal,
): Promise<string> {
  const path = join(dir, 'contexts', String(number));
  await mkdir(join(dir, 'contexts'), { recursive: true });
  const { setIdModes } = await unpack(tar, path, signal);
  await noteModes(setIdModes, path, modesFile);
  return path;
}

async function opened(open: () => Promise<Readable>): Promise<Readable> {
  try {
    return await open();
  } catch (error) {
    throw unreadable(error);
  }
}

async function unpack(source: Readable, path: string, signal: AbortSignal): Promise<Unpacked> {
  // A source that isn't read to its end is destroyed, and emits an error when nothing else listens.
  source.on('error', () => {});
  try {
    return await unpackTar(readable(addAbortSignal(signal, source)), path);
  } catch (error) {
    throw signal.aborted ? error : unusable(error as Error);
  }
}

async function* readable(source: Readable): AsyncGenerator<Buffer> {
  try {
    yield* source as AsyncIterable<Buffer>;
  } catch (error) {
    throw unreadable(error);
  }
}

function unreadable(error: unknown): ContextUnusable {
  const text = error instanceof Error ? error.message : String(error);
  return new ContextUnusable({ code: 'infrastructure', message: `the build context could not be read: ${text}` });
}

function unusable(error: Error): unknown {
  if (error instanceof TarFault) {
    return new ContextUnusable({ code: 'context_invalid', message: `invalid build context: ${error.message}` });
  }
  if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
    return new ContextUnusable({ code: 'disk_full', message: 'no space left on the host for the build context' });
  }
  return error;
}

/** @throws ContextUnusable */
function found(tree: EntryTree, dockerfile: string): BuildFiles {
  try {
    return buildFiles(tree, dockerfile);
  } catch (error) {
    throw error instanceof NoBuildFile ? noBuildFile(error, dockerfile) : error;
  }
}

export function noBuildFile(error: NoBuildFile, dockerfile: string): ContextUnusable {
  if (error.code === 'missing') {
    const message = `failed to read dockerfile: open ${dockerfile}: no such file or directory`;
    return new ContextUnusable({ code: 'dockerfile_missing', message });
  }
  return new ContextUnusable({ code: 'context_invalid', message: `invalid build context: ${error.message}` });
}

async function noteModes(modes: Unpacked['setIdModes'], context: string, modesFile: string): Promise<void> {
  const noted = [...modes].map(([path, mode]) => `${mode.toString(8).padStart(4, '0')}\0${join(context, path)}\0`);
  if (noted.length > 0) await appendFile(modesFile, noted.join(''));
}

/** Copies the Dockerfile, always with an ignore file of its own, so that BuildKit doesn't look for another. */
async function placeDockerfile(
  context: string,
  { dockerfile, ignoreFile }: BuildFiles,
  asked: string,
  dir: string,
): Promise<string> {
  await mkdir(dir);
  const isOutside = asked === OUTSIDE_DOCKERFILE;
  const copy = join(dir, copyName(asked));
  await copyOut(context, dockerfile, copy);
  // The client that packed a Dockerfile from outside of the context has already applied its ignore file.
  if (isOutside) await rm(join(context, OUTSIDE_DOCKERFILE));
  if (isOutside || ignoreFile === undefined) await writeFile(`${copy}.dockerignore`, '');
  else await copyOut(context, ignoreFile, `${copy}.dockerignore`);
  return copy;
}
