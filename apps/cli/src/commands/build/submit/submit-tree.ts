import { type KilnClient, KilnProblem } from '@kiln/client';
import { type BuildRequestInput, type BuildView, bytes, type ProblemCode, timedEntries } from '@kiln/contracts';
import type { Digest } from '@kiln/trees';
import { DigestCache } from '../../../context/digests/digest-cache.ts';
import type { Sent, TreeCalls } from '../../../context/sending/send-context.ts';
import { type ReadContext, withStableContext } from '../../../context/stable-context.ts';
import type { ContextToSend } from '../request/source.ts';
import type { SubmitCall, SubmitDeps } from './submit-call.ts';

export interface SubmitTreeOptions {
  readonly request: BuildRequestInput;
  readonly call: SubmitCall;
}

/** How often a context is sent that the API then doesn't have: what it removes as too old is between two questions. */
const TRIES = 3;

/**
 * Submits a build of a directory. The request comes first, except after a small change: if the API has the context, nothing else is sent. An API of a
 * version that doesn't know trees gets a tar.
 * @throws UsageError for a context that can't be read, or that keeps changing @throws the reason of an interruption before the request was accepted
 */
export async function submitTree(
  context: ContextToSend,
  options: SubmitTreeOptions,
  deps: SubmitDeps,
): Promise<BuildView> {
  const { interruption, view, cacheHome } = deps;
  const { signal } = interruption;
  const cache = await DigestCache.open({
    home: context.root === '' ? undefined : cacheHome,
    root: context.root,
    nowMs: Date.now(),
  });
  signal.throwIfAborted();
  const reading = {
    ...context,
    cache,
    times: timedEntries(options.request),
    signal,
    onProgress: (readBytes: number, totalBytes: number) => view.reading(readBytes, totalBytes),
  };
  try {
    return await withStableContext(reading, (read) => submitRead(read, options, deps));
  } catch (error) {
    if (!(error instanceof TreesUnknown)) throw error;
    const { request, call } = options;
    const { packContext } = await import('../../../context/pack.ts');
    const { submitTar } = await import('./submit-tar.ts');
    const tar = { open: () => packContext(context.tree), repeatable: true };
    return submitTar(tar, { request, idempotencyKey: call.idempotencyKey }, deps);
  }
}

/** The API is of a version that doesn't know trees. */
class TreesUnknown extends Error {
  override readonly name = 'TreesUnknown';
}

async function submitRead(
  context: ReadContext,
  { call, request: asked }: SubmitTreeOptions,
  deps: SubmitDeps,
): Promise<BuildView> {
  let request = requestFor(context, asked);
  let sent = await sendChanges(context, request.team, context.areOthersNew ? context.others : [], deps);
  for (let tries = 1; ; tries += 1) {
    let lacks = '';
    try {
      const build = await call.send(request);
      deps.view.uploaded(summaryOf('context', context, sent));
      return build;
    } catch (error) {
      if (tries <= TRIES && isStableTimesUnknown(error, request)) {
        request = requestFor({ ...context, times: undefined }, asked);
        continue;
      }
      if (!isProblem(error, 'context_not_found') || tries > TRIES) throw error;
      lacks = error.problem.errors[0]?.field ?? '';
    }
    if (tries === 1 && lacks === 'source.times') {
      sent = add(sent, await sendChanges(context, request.team, context.others, deps));
      continue;
    }
    const isMissing = tries === 1 && lacks === 'source.digest';
    const now = await send(context, request.team, { isMissing, call }, deps);
    // It has all of the tree, and doesn't find it.
    if (now.bytes === 0) throw new TreesUnknown();
    sent = add(sent, now);
  }
}

function add(a: Sent, b: Sent): Sent {
  return { files: a.files + b.files, bytes: a.bytes + b.bytes };
}

/** Sends what was changed since an earlier build, and other files, without asking whether the API lacks it. */
async function sendChanges(
  context: ReadContext,
  team: string | undefined,
  others: ReadContext['others'],
  { view, interruption: { signal }, client }: SubmitDeps,
): Promise<Sent> {
  if (context.objects.changed().length + others.length === 0) return { files: 0, bytes: 0 };
  const { sendChanges: sending } = await import('../../../context/sending/send-context.ts');
  return await sending(callsOf(client, team, signal), {
    context,
    others,
    signal,
    onProgress: (sentBytes, totalBytes) => view.uploading(sentBytes, totalBytes),
  });
}

async function send(
  context: ReadContext,
  team: string | undefined,
  { isMissing, call }: { isMissing: boolean; call: SubmitCall },
  { view, interruption: { signal }, client }: SubmitDeps,
): Promise<Sent> {
  signal.throwIfAborted();
  // Mostly, the API has the context.
  const { sendContext } = await import('../../../context/sending/send-context.ts');
  try {
    return await sendContext(callsOf(client, team, signal), {
      context,
      others: context.others,
      isMissing,
      signal,
      onProgress: (sentBytes, totalBytes) => view.uploading(sentBytes, totalBytes),
      onRetry: call.retrying,
    });
  } catch (error) {
    throw isProblem(error, 'not_found') ? new TreesUnknown() : error;
  }
}

/** Whether an API of a version that takes times only with `mtimes: submitted` has refused them. */
function isStableTimesUnknown(error: unknown, { mtimes, source }: BuildRequestInput): boolean {
  if (!isProblem(error, 'invalid_request') || mtimes === 'submitted') return false;
  return 'times' in source && error.problem.errors.some(({ field }) => field === 'source.times');
}

function isProblem(error: unknown, code: ProblemCode): error is KilnProblem {
  return error instanceof KilnProblem && error.problem.code === code;
}

function requestFor({ digest, times }: ReadContext, request: BuildRequestInput): BuildRequestInput {
  if (request.source.type !== 'upload') throw new Error(`a context for a source of type ${request.source.type}`);
  return { ...request, source: { ...request.source, digest, ...(times !== undefined && { times }) } };
}

/** The calls of the API for a team's trees. */
export function callsOf(client: KilnClient, team: string | undefined, signal: AbortSignal): TreeCalls {
  return {
    missing: async ({ directories, files }) => {
      const answer = await client.missingTreeParts(
        { directories: [...directories], files: [...files] },
        { team, signal },
      );
      return answer as typeof answer & { directories: Digest[]; files: { digest: Digest; storedBytes: number }[] };
    },
    store: (body, encoding) =>
      client.sendTreeParts(body, { team, signal, ...(encoding !== 'identity' && { encoding }) }),
  };
}

/** Says what a context is and what of it was sent, for people. */
export function summaryOf(name: string, { files, bytes: size }: ReadContext, sent: Sent): string {
  const what = sent.files === 0 ? 'times of directories' : countOf(sent.files);
  const travelled = sent.bytes === 0 ? 'nothing to send' : `${what}, ${bytes(sent.bytes)} sent`;
  return `${name}: ${countOf(files)}, ${bytes(size)}; ${travelled}`;
}

function countOf(files: number): string {
  // Not `toLocaleString`, which loads tables for 20 ms.
  const grouped = String(files).replace(/\B(?=(\d{3})+$)/g, ',');
  return `${grouped} ${files === 1 ? 'file' : 'files'}`;
}
