import { resolve } from 'node:path';
import type { ContextUpload } from '@kiln/client';
import type { BuildRequestInput } from '@kiln/contracts';
import type { ContextDirectory } from '../../../context/context-tree.ts';
import {
  directoryName,
  dockerfileContext,
  type LocalContext,
  readLocalContext,
} from '../../../context/local-context.ts';
import { UsageError } from '../../../io/errors.ts';
import type { Io } from '../../../io/output.ts';
import { gitSourceOf } from './git-source.ts';

/** The source of a build, and what has to be uploaded for it, if anything. */
export interface BuildSource {
  readonly source: BuildRequestInput['source'];
  readonly dockerfile: string | undefined;
  /** What the Dockerfile is, if it is on this machine and not in a tar. */
  readonly dockerfileContent?: LocalContext['dockerfileContent'];
  /** A tar that is passed on. */
  readonly tar?: Omit<ContextUpload, 'onProgress'>;
  /** A directory that is sent as a tree. */
  readonly context?: ContextToSend;
}

export interface ContextToSend {
  /** Absolute path, under which digests are remembered. */
  readonly root: string;
  readonly tree: ContextDirectory;
  readonly listAgain: () => Promise<ContextDirectory>;
  /** Paths of sockets, devices and pipes, which aren't sent. */
  readonly skipped: readonly string[];
}

export interface SourceOptions {
  readonly operand: string;
  readonly file: string | undefined;
  /** A Dockerfile that is in no file. */
  readonly dockerfileText?: string | undefined;
  readonly ref: string | undefined;
  readonly repo: string | undefined;
  readonly io: Io;
}

/** Reads the context operand: a git URL, `-` for a tar on standard input, or a directory. @throws UsageError */
export async function readSource({
  operand,
  file,
  dockerfileText,
  ref,
  repo,
  io,
}: SourceOptions): Promise<BuildSource> {
  const git = gitSourceOf(operand, ref);
  if (git) {
    if (repo !== undefined)
      throw new UsageError('--repo cannot be combined with a git source, which is named by its URL');
    const own = file === '-' ? (await readDockerfile(io)).toString() : dockerfileText;
    if (own === undefined) return { source: git, dockerfile: file };
    const source = { ...git, dockerfileText: own };
    return { source, dockerfile: undefined, dockerfileContent: { bytes: Buffer.from(own) } };
  }
  if (ref !== undefined) throw new UsageError('--ref requires a git URL as the context');
  if (operand === '-') return fromPipe(file, repo, io);
  const options = {
    cwd: io.cwd,
    path: operand,
    dockerfile: file === '-' ? undefined : file,
    ...(file === '-' && { dockerfileText: await readDockerfile(io) }),
    ...(dockerfileText !== undefined && { dockerfileText: Buffer.from(dockerfileText) }),
  };
  const directory = resolve(io.cwd, operand);
  // Git answers while the directory is walked.
  const [{ root, dockerfile, dockerfileContent, tree, skipped }, name] = await Promise.all([
    readLocalContext(options),
    repo ?? nameOf(directory),
  ]);
  const listAgain = async () => (await readLocalContext(options)).tree;
  const context = { root, tree, listAgain, skipped };
  return { source: { type: 'upload', name }, dockerfile, dockerfileContent, context };
}

/** Loads what calls git only for those who don't give a name. */
async function nameOf(directory: string): Promise<string> {
  const { projectName } = await import('./project-name.ts');
  return projectName(directory, directoryName(directory));
}

async function fromPipe(file: string | undefined, repo: string | undefined, io: Io): Promise<BuildSource> {
  if (file === '-')
    throw new UsageError('-f - cannot be combined with the context -: both are read from standard input');
  if (io.stdin.isTTY)
    throw new UsageError('the context - is read from standard input, which is a terminal; pipe a tar into it');
  const source = { type: 'upload' as const, name: repo ?? directoryName(io.cwd) };
  const { readPipedContext } = await import('../../../context/piped-context.ts');
  const piped = await readPipedContext(io.stdin);
  if (piped.kind === 'tar') {
    return { source, dockerfile: file, tar: { open: piped.bytes, gzip: piped.gzip, repeatable: false } };
  }
  if (file !== undefined)
    throw new UsageError(`-f ${file}: standard input is not a tar, so it does not contain the file`);
  const { dockerfile, dockerfileContent, tree } = dockerfileContext(piped.text);
  return {
    source,
    dockerfile,
    dockerfileContent,
    context: { root: '', tree, listAgain: async () => tree, skipped: [] },
  };
}

async function readDockerfile(io: Io): Promise<Buffer> {
  if (io.stdin.isTTY)
    throw new UsageError('-f - reads the Dockerfile from standard input, which is a terminal; pipe it');
  const chunks: Uint8Array[] = [];
  for await (const chunk of io.stdin) chunks.push(chunk);
  if (chunks.length === 0) throw new UsageError('-f -: the Dockerfile on standard input is empty');
  return Buffer.concat(chunks);
}
