import { mkdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { OUTSIDE_DOCKERFILE } from '@kiln/contracts';
import type { Failure } from '@kiln/domain';
import { Unpack } from 'tar';

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
  /** Absolute path; a Dockerfile that came from outside of the context lies outside of `path` again. */
  readonly dockerfile: string;
}

/**
 * Unpacks an uploaded context, tar or gzipped tar, into `<dir>/context`. As a tar on its standard input BuildKit would
 * take it without looking at `.dockerignore`, and a build would differ from the one that a developer sees.
 * @throws ContextUnusable; the signal's AbortError
 */
export async function unpackContext(
  open: () => Promise<Readable>,
  dockerfile: string,
  dir: string,
  signal: AbortSignal,
): Promise<ContextDir> {
  const path = join(dir, 'context');
  await mkdir(path);
  await unpack(await opened(open), path, signal);
  const file = join(path, dockerfile);
  if (!(await stat(file).catch(() => undefined))?.isFile()) {
    const message = `failed to read dockerfile: open ${dockerfile}: no such file or directory`;
    throw new ContextUnusable({ code: 'dockerfile_missing', message });
  }
  return { path, dockerfile: dockerfile === OUTSIDE_DOCKERFILE ? await moveOut(file, dir) : file };
}

async function opened(open: () => Promise<Readable>): Promise<Readable> {
  try {
    return await open();
  } catch (error) {
    throw unreadable(error);
  }
}

async function unpack(source: Readable, cwd: string, signal: AbortSignal): Promise<void> {
  let sourceError: unknown;
  source.once('error', (error) => {
    sourceError = error;
  });
  // Modes as they are in the tar; owners as this process's: buildx sends all files as root's anyway.
  const unpacking = new Unpack({ cwd, strict: true, chmod: true, processUmask: 0, preserveOwner: false });
  try {
    await pipeline(source, unpacking as unknown as NodeJS.WritableStream, { signal });
  } catch (error) {
    if (signal.aborted) throw error;
    if (sourceError !== undefined) throw unreadable(sourceError);
    throw broken(error as NodeJS.ErrnoException);
  }
}

function unreadable(error: unknown): ContextUnusable {
  const text = error instanceof Error ? error.message : String(error);
  return new ContextUnusable({ code: 'infrastructure', message: `the build context could not be read: ${text}` });
}

function broken(error: NodeJS.ErrnoException): ContextUnusable {
  if (error.code === 'ENOSPC') {
    return new ContextUnusable({ code: 'disk_full', message: 'no space left on the host for the build context' });
  }
  return new ContextUnusable({
    code: 'context_invalid',
    message: `the build context is not a whole tar: ${error.message}`,
  });
}

/** With an ignore file of its own, empty: whoever packed the context has applied the one that counts. */
async function moveOut(file: string, dir: string): Promise<string> {
  const outside = join(dir, 'Dockerfile');
  await rename(file, outside);
  await writeFile(`${outside}.dockerignore`, '');
  return outside;
}
