import { readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { OUTSIDE_DOCKERFILE } from '@kiln/contracts';
import { UsageError } from '../io/errors.ts';
import { readIgnoreFile } from './ignore-pattern.ts';
import { packContext } from './pack.ts';
import { type ContextEntry, entryOf, walkContext } from './walk.ts';

/** A local directory that is ready to be sent. Sizes in bytes. */
export interface LocalContext {
  readonly root: string;
  /** Path of the Dockerfile in the tar. */
  readonly dockerfile: string;
  readonly entries: readonly ContextEntry[];
  readonly fileBytes: number;
  readonly skipped: readonly string[];
  readonly pack: () => AsyncGenerator<Uint8Array>;
}

export interface LocalContextOptions {
  readonly cwd: string;
  readonly path: string;
  /** The value of `-f`, relative to `cwd`; undefined means `Dockerfile` in the context. */
  readonly dockerfile: string | undefined;
  /** The Dockerfile from standard input, which replaces a file. */
  readonly dockerfileText?: Uint8Array | undefined;
}

/** Reads the context and finds its Dockerfile, before anything is sent. @throws UsageError if a build couldn't start with them */
export async function readLocalContext(input: LocalContextOptions): Promise<LocalContext> {
  const root = resolve(input.cwd, input.path);
  await demandDirectory(root, input.path);
  const dockerfile = input.dockerfileText
    ? { name: OUTSIDE_DOCKERFILE, ignoreFiles: [], extra: dockerfileEntry(input.dockerfileText) }
    : await findDockerfile(root, input);
  const ignore = await readFirst([...dockerfile.ignoreFiles, join(root, '.dockerignore')]);
  const patterns = ignore ? readIgnoreFile(ignore.text, relative(input.cwd, ignore.path) || ignore.path) : [];
  const always = new Set([dockerfile.name, `${dockerfile.name}.dockerignore`, '.dockerignore']);
  const tree = await walkContext(root, patterns, always).catch(explainWalkError);
  const entries = dockerfile.extra
    ? [...tree.entries.filter(({ path }) => path !== OUTSIDE_DOCKERFILE), dockerfile.extra]
    : tree.entries;
  return {
    root,
    dockerfile: dockerfile.name,
    entries,
    fileBytes: entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    skipped: tree.skipped,
    pack: () => packContext(root, entries),
  };
}

async function demandDirectory(root: string, given: string): Promise<void> {
  const stats = await stat(root).catch(() => undefined);
  if (!stats) throw new UsageError(`the build context ${JSON.stringify(given)} doesn't exist`);
  if (!stats.isDirectory()) {
    throw new UsageError(
      `the build context ${JSON.stringify(given)} is not a directory; for a Dockerfile use -f ${given}`,
    );
  }
}

interface FoundDockerfile {
  readonly name: string;
  /** The Dockerfile's own .dockerignore, which takes precedence over that of the context. */
  readonly ignoreFiles: readonly string[];
  /** Entry to add to the tar if the Dockerfile isn't in the context. */
  readonly extra?: ContextEntry;
}

async function findDockerfile(root: string, { cwd, path, dockerfile }: LocalContextOptions): Promise<FoundDockerfile> {
  const file = dockerfile === undefined ? join(root, 'Dockerfile') : resolve(cwd, dockerfile);
  const stats = await stat(file).catch(() => undefined);
  if (!stats?.isFile())
    throw new UsageError(await missingDockerfile(root, file, { path, dockerfile, exists: Boolean(stats) }));
  const inside = relative(root, file);
  const ignoreFiles = [`${file}.dockerignore`];
  if (inside !== '' && !isAbsolute(inside) && inside.split(sep)[0] !== '..') {
    const name = inside.split(sep).join('/');
    // A link on the path may lead out of the tar, so that its target has to be sent instead.
    if ((await realpath(file)) === join(await realpath(root), inside)) return { name, ignoreFiles };
  }
  return {
    name: OUTSIDE_DOCKERFILE,
    ignoreFiles,
    extra: { ...entryOf(OUTSIDE_DOCKERFILE, 'file', stats), from: file },
  };
}

async function missingDockerfile(
  root: string,
  file: string,
  { path, dockerfile, exists }: { path: string; dockerfile: string | undefined; exists: boolean },
): Promise<string> {
  if (exists) return `the Dockerfile ${dockerfile ?? file} is not a file`;
  if (dockerfile === undefined) {
    return `no Dockerfile in ${JSON.stringify(path)}; name another one with -f FILE`;
  }
  const inContext = join(root, dockerfile);
  const there = inContext !== file && (await stat(inContext).catch(() => undefined));
  const hint = there ? `; -f is relative to the current directory: did you mean -f ${join(path, dockerfile)}?` : '';
  return `the Dockerfile ${JSON.stringify(dockerfile)} doesn't exist${hint}`;
}

/** Returns an entry for a Dockerfile that isn't a file. Its time is fixed, so that the same text yields the same tar. */
export function dockerfileEntry(content: Uint8Array): ContextEntry {
  return { path: OUTSIDE_DOCKERFILE, type: 'file', mode: 0o644, mtimeMs: 0, sizeBytes: content.length, content };
}

async function readFirst(paths: readonly string[]): Promise<{ path: string; text: string } | undefined> {
  for (const path of paths) {
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw new UsageError(`can't read ${path}: ${error.message}`);
    });
    if (text !== undefined) return { path, text };
  }
  return undefined;
}

function explainWalkError(error: NodeJS.ErrnoException): never {
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    throw new UsageError(
      `can't read ${error.path ?? 'a file of the context'}: permission denied; if the build doesn't need it, add it to .dockerignore`,
    );
  }
  throw error;
}

/** Returns the last part of a directory's path. */
export function directoryName(root: string): string {
  return basename(root) || basename(dirname(root));
}
