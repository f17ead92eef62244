import type { Readable } from 'node:stream';
import { type TargetSpec, targetSpecs } from '@kiln/contracts';
import type { Outcome } from '@kiln/domain';
import { listedBuildFiles, NoBuildFile } from '@kiln/trees';
import type { Halt } from '../outcome/halt.ts';
import { neverStarted } from '../outcome/outcome.ts';
import { copiesOf, readCopies } from '../trees/dockerfile-copies.ts';
import type { BuildxInvocation } from './buildx-arguments.ts';
import { ContextUnusable, noBuildFile, unpackContext } from './context-dir.ts';
import { namedContextDirs } from './named-contexts.ts';
import { checkDockerfile, checkedCommitDockerfile, demandFrontend } from './prepare-context.ts';
import type { RunFiles } from './run-files.ts';
import type { RunHost } from './run-host.ts';
import type { ContextSource, RunRequest } from './run-request.ts';
import { treeTar } from './tree-context.ts';

type Context = BuildxInvocation['context'];
type TreeSourceOf = Extract<ContextSource, { readonly type: 'tree' }>;

/** What one target of a build is built from. */
export interface PreparedTarget extends TargetSpec {
  readonly context: Context;
  readonly contextDirs: ReadonlyMap<string, string>;
}

/**
 * Prepares what the further targets of a build are built from. A target with the same context as the build's own shares its directory, so that BuildKit takes it
 * only once; others' are unpacked for the run. Returns the build's outcome instead if a context can't be used, or the build was stopped meanwhile.
 * @param own of the request's own target
 */
export async function prepareTargets(
  host: RunHost,
  request: RunRequest,
  own: Pick<PreparedTarget, 'context' | 'contextDirs'>,
  files: RunFiles,
  halt: Halt,
): Promise<readonly PreparedTarget[] | Outcome> {
  const [first, ...others] = targetSpecs(request.spec);
  const prepared: PreparedTarget[] = [{ ...first, ...own }];
  let contexts = request.contexts?.length ?? 0;
  for (const [i, target] of others.entries()) {
    const { name = '', spec } = target;
    const sources = request.targets?.get(name);
    if (!sources) throw new Error(`no sources for the target ${name}`);
    try {
      const context = await contextOf(
        host,
        request.source,
        own.context,
        { target, i, source: sources.source },
        files,
        halt,
      );
      const contextDirs = await namedContextDirs({ contexts: sources.contexts, spec }, files, halt, contexts);
      if ('end' in contextDirs) return contextDirs;
      contexts += sources.contexts.length;
      prepared.push({ ...target, context, contextDirs });
    } catch (error) {
      if (halt.reason?.type === 'stop') return neverStarted(halt.reason.cause, spec);
      if (!(error instanceof ContextUnusable)) throw error;
      return { end: 'failed', failure: { ...error.failure, message: `target ${name}: ${error.failure.message}` } };
    }
  }
  return prepared;
}

interface OtherTarget {
  readonly target: TargetSpec;
  readonly i: number;
  readonly source: ContextSource;
}

/** @throws ContextUnusable @throws the signal's reason */
async function contextOf(
  host: RunHost,
  ownSource: ContextSource,
  own: Context,
  { target: { spec }, i, source }: OtherTarget,
  files: RunFiles,
  halt: Halt,
): Promise<Context> {
  demandFrontend(host, spec, undefined);
  const place = await files.targetPlace(i);
  if (source.type === 'git') {
    const { type, url, commit, subdir } = source;
    const read = await checkedCommitDockerfile(host, spec, source, halt.signal);
    if (!read) return { type, url, commit, subdir };
    return { type, url, commit, subdir, dockerfile: await files.placeDockerfile(spec.dockerfile, read, place) };
  }
  if (source.type === 'tree' && own.type === 'directory' && isSameTree(ownSource, source)) {
    const dockerfile = await files.placeDockerfile(
      spec.dockerfile,
      await readDockerfile(source, spec.dockerfile, files, i, halt),
      place,
    );
    await checkDockerfile(host, spec, dockerfile);
    return { type: 'directory', path: own.path, dockerfile };
  }
  const unpack = async (open: () => Promise<Readable>): Promise<Context> => {
    const unpacked = await unpackContext(open, spec.dockerfile, place, halt.signal);
    await checkDockerfile(host, spec, unpacked.dockerfile);
    return { type: 'directory', ...unpacked };
  };
  if (source.type === 'tar') return await unpack(() => source.open());
  await using tree = source.open(`${files.contentsFile}-target-${i}`);
  return await unpack(() => treeTar(tree, source, halt.signal));
}

function isSameTree(own: ContextSource, { id, times }: TreeSourceOf): boolean {
  return own.type === 'tree' && own.id === id && own.times?.id === times?.id;
}

/** Reads a Dockerfile, and the ignore file that applies to it, from a tree. @throws ContextUnusable */
async function readDockerfile(
  source: TreeSourceOf,
  dockerfile: string,
  files: RunFiles,
  i: number,
  halt: Halt,
): Promise<{ text: Uint8Array; ignore: Uint8Array }> {
  await using tree = source.open(`${files.contentsFile}-target-${i}`);
  try {
    const found = await listedBuildFiles(await tree.list([], halt.signal), dockerfile);
    const [text, ignore] = await readCopies(tree, found, copiesOf(found, dockerfile), halt.signal);
    return { text: text.content, ignore: ignore.content };
  } catch (error) {
    throw error instanceof NoBuildFile ? noBuildFile(error, dockerfile) : error;
  }
}
