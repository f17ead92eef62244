import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
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

/** Leaves room for `.dockerignore` behind it. */
export const MAX_NAME_BYTES = 240;

/** A context that buildx can't begin with. */
export class ContextUnusable extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** A context as buildx takes it from a directory: what `.dockerignore` names, the Dockerfile too, is not in it. */
export interface ContextDir {
  readonly path: string;
  /** Absolute path of a copy that lies outside of `path`, with the ignore file that applies beside it. */
  readonly dockerfile: string;
}

export interface ContextPlace {
  readonly dir: string;
  /** Modes that a change of the owner would take away, with the files that have them, as `xargs -0 -n 2 chmod` takes them. */
  readonly modesFile: string;
}

/**
 * Unpacks an uploaded context, tar or gzipped tar, into `<dir>/context`. As a tar on its standard input BuildKit would
 * take it without looking at `.dockerignore`, and a build would differ from the one that a developer sees.
 *
 * Dockerfile and ignore file are looked up in the tree as it was read, and copied to `<dir>/dockerfile`: buildx opens the directory that the
 * Dockerfile is in by its path, and would follow any link on the way.
 * @throws ContextUnusable; the signal's AbortError
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

async function opened(open: () => Promise<Readable>): Promise<Readable> {
  try {
    return await open();
  } catch (error) {
    throw unreadable(error);
  }
}

async function unpack(source: Readable, path: string, signal: AbortSignal): Promise<Unpacked> {
  // A source that isn't read to its end is destroyed, and says so when nobody listens any more.
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
    return new ContextUnusable({ code: 'context_invalid', message: `the build context is refused: ${error.message}` });
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
    if (!(error instanceof NoBuildFile)) throw error;
    if (error.code === 'missing') {
      const message = `failed to read dockerfile: open ${dockerfile}: no such file or directory`;
      throw new ContextUnusable({ code: 'dockerfile_missing', message });
    }
    throw new ContextUnusable({ code: 'context_invalid', message: `the build context is refused: ${error.message}` });
  }
}

async function noteModes(modes: Unpacked['setIdModes'], context: string, modesFile: string): Promise<void> {
  const noted = [...modes].map(([path, mode]) => `${mode.toString(8).padStart(4, '0')}\0${join(context, path)}\0`);
  if (noted.length > 0) await writeFile(modesFile, noted.join(''));
}

/** Always with an ignore file of its own, so that BuildKit doesn't look for another. */
async function placeDockerfile(
  context: string,
  { dockerfile, ignoreFile }: BuildFiles,
  asked: string,
  dir: string,
): Promise<string> {
  await mkdir(dir);
  const isOutside = asked === OUTSIDE_DOCKERFILE;
  // BuildKit's messages have the name.
  const name = isOutside || Buffer.byteLength(basename(asked)) > MAX_NAME_BYTES ? 'Dockerfile' : basename(asked);
  const copy = join(dir, name);
  await copyOut(context, dockerfile, copy);
  // Whoever packed a Dockerfile from outside with the context has applied the ignore file that counts.
  if (isOutside) await rm(join(context, OUTSIDE_DOCKERFILE));
  if (isOutside || ignoreFile === undefined) await writeFile(`${copy}.dockerignore`, '');
  else await copyOut(context, ignoreFile, `${copy}.dockerignore`);
  return copy;
}
