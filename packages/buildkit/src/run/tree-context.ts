import { Readable } from 'node:stream';
import {
  type ByteString,
  checkReadable,
  NoBuildFile,
  notFilesOf,
  padding,
  paxHeaders,
  shownBytes,
  type TimedEntry,
  TreeFault,
  TreePartMissing,
  type TreeSource,
  tarEnd,
} from '@kiln/trees';
import type { Halt } from '../outcome/halt.ts';
import { TreeDiskFull } from '../trees/apply-changes.ts';
import type { BroughtTree, TreeRequest } from '../trees/working-tree.ts';
import type { LeasedTree, NamedRequest, WorkingTrees } from '../trees/working-trees.ts';
import { cacheNamespace } from './buildx-arguments.ts';
import { ContextUnusable, noBuildFile } from './context-dir.ts';
import type { RunFiles } from './run-files.ts';
import type { ContextSource, RunRequest } from './run-request.ts';

type TreeContext = Extract<ContextSource, { readonly type: 'tree' }>;

/** An object of the context isn't stored (any longer). */
export class ContextGone extends ContextUnusable {
  readonly digest: string;
  constructor(digest: string) {
    const message = 'the uploaded context is no longer stored; upload it and submit the build again';
    super({ code: 'context_invalid', message });
    this.digest = digest;
  }
}

interface TreeToBring extends Partial<Pick<TreeRequest, 'dockerfile' | 'ignores' | 'directoryTimes'>> {
  readonly tree: TreeSource;
  readonly times: TreeContext['times'];
}

/** Said to a build on a host without working trees. */
export const NO_TREES =
  'this host keeps no working trees, because its tool image lacks GNU tar, xargs or touch: the whole context is unpacked and sent again, and all of its files get new times';

const SHOWN_PATHS = 3;

/** Brings a working tree to the build's tree, for the run with these files. @throws ContextUnusable @throws the signal's reason */
export async function bringTree(
  trees: WorkingTrees,
  { spec, trust = 'trusted', domain = trust, repo }: RunRequest,
  { tree: source, times, directoryTimes, dockerfile = spec.dockerfile, ignores }: TreeToBring,
  files: RunFiles,
  halt: Halt,
): Promise<BroughtTree> {
  const namespace = cacheNamespace({ repo, team: spec.team, scope: spec.cacheScope, trust });
  const leased = await trees.acquire(
    { domain, repo, namespace },
    { source, times, directoryTimes, dockerfile, ignores },
  );
  try {
    const brought = await leased.bring(halt.signal);
    files.useTree(leased);
    return brought;
  } catch (error) {
    await leased[Symbol.asyncDispose]();
    throw halt.signal.aborted ? error : unusable(error, dockerfile);
  }
}

/** Brings the working tree of a named context to the build's. @throws ContextUnusable @throws the signal's reason */
export async function bringNamed(
  tree: LeasedTree,
  name: string,
  request: NamedRequest,
  signal: AbortSignal,
): Promise<string> {
  try {
    return await tree.bringNamed(name, request, signal);
  } catch (error) {
    throw signal.aborted ? error : unusable(error, '');
  }
}

function unusable(error: unknown, dockerfile: string): unknown {
  if (error instanceof NoBuildFile) return noBuildFile(error, dockerfile);
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof TreeDiskFull || code === 'ENOSPC' || code === 'EDQUOT')
    return new ContextUnusable({ code: 'disk_full', message: 'no space left on the host for the build context' });
  if (error instanceof TreePartMissing) return new ContextGone(error.digest);
  if (error instanceof TreeFault)
    return new ContextUnusable({ code: 'context_invalid', message: `invalid build context: ${error.message}` });
  return error;
}

/** Tells of the one case in which times go back: BuildKit's cache key of COPY has no times. */
export function returnNote(returned: readonly ByteString[]): string {
  const shown = returned.slice(0, SHOWN_PATHS).map((path) => JSON.stringify(shownBytes(path)));
  const more = returned.length > SHOWN_PATHS ? ` and ${returned.length - SHOWN_PATHS} more` : '';
  return (
    `${shown.join(', ')}${more}: same content as in an earlier build, but not as in the last one. If a COPY finds its earlier layer, these files ` +
    'have their earlier times in it, and tools that compare times may find outputs in cache mounts newer; build with --no-cache if they do'
  );
}

/** Opens a tree as the tar that an upload would have been, for hosts that keep no trees. @throws ContextUnusable */
export async function treeTar(
  tree: TreeSource,
  { times, directoryTimes }: Pick<TreeContext, 'times' | 'directoryTimes'>,
  signal: AbortSignal,
): Promise<Readable> {
  try {
    const listing = await tree.list([], signal);
    checkReadable(listing);
    const timed = times ? listing : notFilesOf(listing);
    const read = await (times ?? directoryTimes)?.read(signal);
    const given = read?.(timed.map(({ path }) => path));
    const now = BigInt(Date.now()) * 1_000_000n;
    const entries = listing.map((entry): TimedEntry => ({ ...entry, mtimeNs: given?.get(entry.path) ?? now }));
    return Readable.from(tarOf(tree, entries, signal), { objectMode: false });
  } catch (error) {
    throw signal.aborted ? error : unusable(error, '');
  }
}

async function* tarOf(
  tree: TreeSource,
  entries: readonly TimedEntry[],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const full = new Map<ByteString, Extract<TimedEntry, { readonly type: 'file' }>>();
  let written = 0;
  const counted = (bytes: Uint8Array) => {
    written += bytes.length;
    return bytes;
  };
  for (const entry of entries) {
    if (entry.type === 'file' && entry.sizeBytes > 0) full.set(entry.path, entry);
    else yield counted(paxHeaders(entry));
  }
  for await (const { file, content } of tree.contents([...full.values()], signal)) {
    const entry = full.get(file.path);
    if (!entry) continue;
    yield counted(paxHeaders(entry));
    for await (const chunk of content) yield counted(chunk);
    yield counted(padding(entry.sizeBytes));
  }
  yield tarEnd(written);
}
