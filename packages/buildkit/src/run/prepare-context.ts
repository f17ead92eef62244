import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { BuildSpec } from '@kiln/contracts';
import type { Failure, Outcome } from '@kiln/domain';
import { messageOf } from '../engine/message-of.ts';
import type { Halt } from '../outcome/halt.ts';
import { neverStarted } from '../outcome/outcome.ts';
import type { BroughtTree } from '../trees/working-tree.ts';
import type { BuildxInvocation } from './buildx-arguments.ts';
import { checkFrontend, dockerfileHead } from './check-frontend.ts';
import { bringCommit } from './commit-context.ts';
import { ContextUnusable } from './context-dir.ts';
import type { RunFiles } from './run-files.ts';
import type { RunHost } from './run-host.ts';
import type { CommitDockerfile, ContextSource, RunRequest } from './run-request.ts';
import { bringTree, ContextGone, NO_TREES, returnNote, treeTar } from './tree-context.ts';

/** Prepares what buildx builds from. Returns the build's outcome instead if the context can't be used, or the build was stopped meanwhile. */
export async function prepareContext(
  host: RunHost,
  request: RunRequest,
  files: RunFiles,
  halt: Halt,
  note: (message: string) => Promise<void>,
): Promise<BuildxInvocation['context'] | Outcome> {
  try {
    return await checkedContext(host, request, files, halt, note);
  } catch (error) {
    if (halt.reason?.type === 'stop') return neverStarted(halt.reason.cause, request.spec);
    if (error instanceof ContextUnusable) return { end: 'failed', failure: error.failure };
    throw error;
  }
}

/** Returns a context whose Dockerfile names an allowed frontend, or none. @throws ContextUnusable */
async function checkedContext(
  host: RunHost,
  request: RunRequest,
  files: RunFiles,
  halt: Halt,
  note: (message: string) => Promise<void>,
): Promise<BuildxInvocation['context']> {
  const { source, spec } = request;
  // The frontend of a build argument is known before anything is read.
  demandFrontend(host, spec, undefined);
  const checkFile = async (path: string) => {
    const text = await checkDockerfile(host, spec, path);
    if (text !== undefined) request.observer?.dockerfile(text);
    request.observer?.ignoreFile?.(await ignoreFileBeside(path));
    return text;
  };
  const brought = async ({ path, dockerfile, checkedDockerfile, returned }: BroughtTree) => {
    const text = await checkFile(checkedDockerfile);
    if (returned.length > 0 && text?.includes('type=cache')) await note(returnNote(returned));
    return { type: 'directory', path, dockerfile } as const;
  };
  const unpack = async (open: () => Promise<Readable>) => {
    const unpacked = await files.unpackContext(open, spec.dockerfile, halt.signal);
    await checkFile(unpacked.dockerfile);
    return { type: 'directory', ...unpacked } as const;
  };
  if (source.type === 'tar') return await unpack(() => source.open());
  if (source.type === 'tree') {
    await using tree = source.open(files.contentsFile);
    try {
      const { times, directoryTimes } = source;
      if (host.trees) {
        const bringing = { tree, times, directoryTimes };
        return await brought(await bringTree(host.trees, request, bringing, files, halt));
      }
      const tar = await treeTar(tree, source, halt.signal);
      await note(NO_TREES);
      return await unpack(async () => tar);
    } catch (error) {
      if (!(error instanceof ContextGone) || error.digest !== source.id) throw error;
      const tar = await source.tar?.(halt.signal);
      if (!tar) throw error;
      return await unpack(async () => tar);
    }
  }
  if (source.type === 'git') {
    const tree = await bringCommit(host, request, source, files, halt, note);
    if (tree) return await brought(tree);
  }
  const { type, url, commit, subdir } = source;
  const read = await checkedCommitDockerfile(host, spec, source, halt.signal);
  if (!read) return { type, url, commit, subdir };
  request.observer?.dockerfile(read.text);
  // Build from the text that was checked: attributes or links could give BuildKit's own checkout of the commit another one.
  return { type, url, commit, subdir, dockerfile: await files.placeDockerfile(spec.dockerfile, read) };
}

/** Throws if a Dockerfile, or a build argument, names a frontend that isn't allowed. @param text undefined if it isn't read yet @throws ContextUnusable */
export function demandFrontend({ frontends }: RunHost, spec: BuildSpec, text: string | undefined): void {
  const failure = checkFrontend(frontends.allowed, spec, text);
  if (failure) throw new ContextUnusable(failure);
}

/** Checks a Dockerfile on the disk; returns the part that can name a frontend, or undefined if it is too large for that. @throws ContextUnusable */
export async function checkDockerfile(host: RunHost, spec: BuildSpec, path: string): Promise<string | undefined> {
  const text = await dockerfileHead(path);
  if (text === undefined && host.frontends.allowed !== 'any')
    throw new ContextUnusable(unknownFrontend(spec.dockerfile, 'too large'));
  demandFrontend(host, spec, text);
  return text;
}

/**
 * Reads the Dockerfile of a commit that BuildKit checks out, and checks it; undefined if BuildKit itself enforces the allowed frontends, or all are.
 * @throws ContextUnusable @throws the signal's reason
 */
export async function checkedCommitDockerfile(
  host: RunHost,
  spec: BuildSpec,
  source: Extract<ContextSource, { readonly type: 'git' }>,
  signal: AbortSignal,
): Promise<CommitDockerfile | undefined> {
  const { frontends } = host;
  if (!source.hasOwnDockerfile && (frontends.allowed === 'any' || frontends.isEnforced)) return undefined;
  const read = await source.dockerfile?.(signal).catch((error: unknown) => {
    if (signal.aborted) throw error;
    throw new ContextUnusable(unknownFrontend(spec.dockerfile, messageOf(error)));
  });
  if (!read) {
    const message = `failed to read dockerfile: open ${spec.dockerfile}: no such file or directory`;
    throw new ContextUnusable({ code: 'dockerfile_missing', message });
  }
  demandFrontend(host, spec, read.text);
  return read;
}

/** Kiln places the ignore file that applies beside its copy of the Dockerfile. */
async function ignoreFileBeside(dockerfile: string): Promise<string> {
  try {
    return await readFile(`${dockerfile}.dockerignore`, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

function unknownFrontend(dockerfile: string, why: string): Failure {
  return { code: 'frontend_refused', message: `the frontend of ${dockerfile} could not be determined: ${why}` };
}
