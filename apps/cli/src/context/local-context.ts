import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { OUTSIDE_DOCKERFILE } from '@kiln/contracts';
import { byteString } from '@kiln/trees';
import { UsageError } from '../io/errors.ts';
import { type ContextDirectory, type ContextFile, fileNode } from './context-tree.ts';
import { readIgnoreFile } from './ignore-pattern.ts';
import { readFirst } from './read-first.ts';
import { walkContext } from './walk.ts';

/** A local directory that is ready to be hashed and sent. */
export interface LocalContext {
  readonly root: string;
  /** Path of the Dockerfile in the context. */
  readonly dockerfile: string;
  /** What the Dockerfile is. */
  readonly dockerfileContent: { readonly path: string } | { readonly bytes: Uint8Array };
  readonly tree: ContextDirectory;
  /** Paths of sockets, devices and pipes, which aren't sent. */
  readonly skipped: readonly string[];
}

export interface LocalContextOptions {
  readonly cwd: string;
  readonly path: string;
  /** The value of `-f`, relative to `cwd`; undefined means `Dockerfile` in the context, or else `dockerfile`. */
  readonly dockerfile: string | undefined;
  /** The Dockerfile from standard input, which replaces a file. */
  readonly dockerfileText?: Uint8Array | undefined;
}

/** Reads the context and finds its Dockerfile, before anything is sent. @throws UsageError if a build couldn't start with them */
export async function readLocalContext(input: LocalContextOptions): Promise<LocalContext> {
  const root = resolve(input.cwd, input.path);
  await demandDirectory(root, input.path);
  const dockerfile = input.dockerfileText
    ? {
        ...{ name: OUTSIDE_DOCKERFILE, ignoreFiles: [], extra: dockerfileNode(input.dockerfileText) },
        content: { bytes: input.dockerfileText },
      }
    : await findDockerfile(root, input);
  const ignore = await readFirst([...dockerfile.ignoreFiles, join(root, '.dockerignore')]);
  const patterns = ignore ? readIgnoreFile(ignore.text, relative(input.cwd, ignore.path) || ignore.path) : [];
  const always = new Set([dockerfile.name, `${dockerfile.name}.dockerignore`, '.dockerignore']);
  const { root: tree, skipped } = await walkContext(root, patterns, always);
  const { name, content, extra } = dockerfile;
  return { root, dockerfile: name, dockerfileContent: content, tree: withFile(tree, extra), skipped };
}

/** Adds a file to a directory, in which it replaces what has its name. */
function withFile(directory: ContextDirectory, file: ContextFile | undefined): ContextDirectory {
  if (!file) return directory;
  const others = directory.children.filter(({ name }) => name !== file.name);
  const children = [...others, file].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { ...directory, children, packed: undefined };
}

async function demandDirectory(root: string, given: string): Promise<void> {
  const stats = await stat(root).catch(() => undefined);
  if (!stats) throw new UsageError(`unable to prepare context: path ${JSON.stringify(given)} not found`);
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
  readonly content: LocalContext['dockerfileContent'];
  /** The Dockerfile, if it isn't in the context. */
  readonly extra?: ContextFile;
}

async function findDockerfile(root: string, { cwd, path, dockerfile }: LocalContextOptions): Promise<FoundDockerfile> {
  const file = dockerfile === undefined ? await defaultDockerfile(root) : resolve(cwd, dockerfile);
  const stats = await stat(file, { bigint: true }).catch(() => undefined);
  if (!stats?.isFile())
    throw new UsageError(await missingDockerfile(root, file, { path, dockerfile, exists: Boolean(stats) }));
  const inside = relative(root, file);
  const ignoreFiles = [`${file}.dockerignore`];
  const content = { path: file };
  if (inside !== '' && !isAbsolute(inside) && inside.split(sep)[0] !== '..') {
    const name = inside.split(sep).join('/');
    // A link on the path may lead out of the context, so that its target has to be sent instead.
    if ((await realpath(file)) === join(await realpath(root), inside)) return { name, ignoreFiles, content };
  }
  return {
    name: OUTSIDE_DOCKERFILE,
    ignoreFiles,
    content,
    extra: fileNode(byteString(OUTSIDE_DOCKERFILE), await realpath(file), stats),
  };
}

async function defaultDockerfile(root: string): Promise<string> {
  const [usual, lower] = [join(root, 'Dockerfile'), join(root, 'dockerfile')];
  if (await stat(usual).catch(() => undefined)) return usual;
  return (await stat(lower).catch(() => undefined)) ? lower : usual;
}

async function missingDockerfile(
  root: string,
  file: string,
  { path, dockerfile, exists }: { path: string; dockerfile: string | undefined; exists: boolean },
): Promise<string> {
  if (exists) return `the Dockerfile ${dockerfile ?? file} is not a file`;
  if (dockerfile === undefined) {
    return `failed to read dockerfile: open Dockerfile: no such file or directory in ${JSON.stringify(path)}; name another one with -f FILE`;
  }
  const inContext = join(root, dockerfile);
  const there = inContext !== file && (await stat(inContext).catch(() => undefined));
  const hint = there ? `; -f is relative to the current directory: did you mean -f ${join(path, dockerfile)}?` : '';
  return `the Dockerfile ${JSON.stringify(dockerfile)} doesn't exist${hint}`;
}

/** Returns a Dockerfile that isn't a file. Its time is fixed, so that the same text is the same context. */
export function dockerfileNode(bytes: Uint8Array): ContextFile {
  const state = { sizeBytes: bytes.length, mtimeNs: 0n, ctimeNs: 0n, inode: 0n };
  return {
    type: 'file',
    name: byteString(OUTSIDE_DOCKERFILE),
    content: { bytes },
    mode: 0o644,
    state,
    digest: undefined,
  };
}

/** Returns the context that has nothing but a Dockerfile. */
export function dockerfileContext(bytes: Uint8Array): Pick<LocalContext, 'dockerfile' | 'dockerfileContent' | 'tree'> {
  const empty = { type: 'directory', name: byteString(''), path: byteString(''), mode: 0o755, mtimeNs: 0n } as const;
  const tree = { ...empty, children: [dockerfileNode(bytes)] };
  return { dockerfile: OUTSIDE_DOCKERFILE, dockerfileContent: { bytes }, tree };
}

/** Returns the last part of a directory's path. */
export function directoryName(root: string): string {
  return basename(root) || basename(dirname(root));
}
