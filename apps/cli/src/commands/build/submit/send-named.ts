import type { BuildRequestInput, NamedContextInput } from '@kiln/contracts';
import { DigestCache } from '../../../context/digests/digest-cache.ts';
import { walkNamedDirectory } from '../../../context/named-directory.ts';
import { sendContext } from '../../../context/sending/send-context.ts';
import { type ReadContext, type StableContextOptions, withStableContext } from '../../../context/stable-context.ts';
import type { GivenContext } from '../request/context-flag.ts';
import type { ContextToSend } from '../request/source.ts';
import type { SubmitDeps } from './submit-call.ts';
import { callsOf, summaryOf } from './submit-tree.ts';

export interface SendNamedDeps extends SubmitDeps {
  readonly team: string | undefined;
}

/**
 * Sends the directories among the further contexts of a build, as far as the API lacks them. Returns the contexts for the request.
 * @throws UsageError for one that can't be read, or that keeps changing @throws the reason of an interruption
 */
export async function sendNamedContexts(
  contexts: readonly GivenContext[],
  deps: SendNamedDeps,
): Promise<NonNullable<BuildRequestInput['buildContexts']>> {
  const named: Record<string, NamedContextInput> = {};
  for (const context of contexts)
    named[context.name] = 'from' in context ? context.from : await sendDirectory(context, deps);
  return named;
}

async function sendDirectory(
  given: Extract<GivenContext, { readonly directory: string }>,
  deps: SendNamedDeps,
): Promise<NamedContextInput> {
  const { name, directory, image } = given;
  const walked = await walkNamedDirectory(given);
  for (const path of walked.skipped)
    deps.view.say(`${name}: ${path} is not a file, directory or symbolic link; not sent`);
  const { digest, times } = await sendTree(
    name,
    {
      root: directory,
      tree: walked.root,
      listAgain: async () => (await walkNamedDirectory(given)).root,
      times: image === undefined ? 'all' : undefined,
    },
    deps,
  );
  if (image !== undefined) return { type: 'oci-layout', digest, image };
  return { type: 'upload', digest, ...(times !== undefined && { times }) };
}

/**
 * Sends a directory, as far as the API lacks it. @param name by which it is shown
 * @throws UsageError if it can't be read, or keeps changing @throws the reason of an interruption
 */
export async function sendTree(
  name: string,
  { root, ...tree }: Omit<ContextToSend, 'skipped'> & Pick<StableContextOptions, 'times'>,
  { client, view, team, cacheHome, interruption: { signal } }: SendNamedDeps,
): Promise<Pick<ReadContext, 'digest' | 'times'>> {
  const cache = await DigestCache.open({ home: root === '' ? undefined : cacheHome, root, nowMs: Date.now() });
  signal.throwIfAborted();
  const reading = {
    ...tree,
    cache,
    signal,
    onProgress: (readBytes: number, totalBytes: number) => view.reading(readBytes, totalBytes),
  };
  return await withStableContext(reading, async (context) => {
    const sent = await sendContext(callsOf(client, team, signal), {
      context,
      others: context.others,
      signal,
      onProgress: (sentBytes, totalBytes) => view.uploading(sentBytes, totalBytes),
      onRetry: (error) => view.say(`${error instanceof Error ? error.message : String(error)}; retrying`),
    });
    view.uploaded(summaryOf(name, context, sent));
    return context;
  });
}
