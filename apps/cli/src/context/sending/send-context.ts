import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs, isTransient, KilnProblem } from '@kiln/client';
import type { ProblemCode } from '@kiln/contracts';
import { inlineFiles, writeParts } from '@kiln/trees';
import { UsageError } from '../../io/errors.ts';
import { endOfStage } from '../../io/stages.ts';
import type { ContextFile } from '../context-tree.ts';
import type { EncodedContext } from '../encode-context.ts';
import { ContextChanged } from '../read-errors.ts';
import { type ContentEncoding, chooseEncoding, encoded } from './compression.ts';
import { childrenOf, contextParts, type OtherFile } from './context-parts.ts';
import { type AskedParts, findMissing, type MissingAnswer, type MissingParts } from './missing-parts.ts';
import { presumedMissing } from './presumed-missing.ts';
import { sampleOf } from './sample.ts';

/** The calls of the API that sending takes. They throw as those of `KilnClient` do; `store` also what `body` throws. */
export interface TreeCalls {
  missing(parts: AskedParts): Promise<MissingAnswer>;
  store(body: AsyncIterable<Uint8Array>, encoding: ContentEncoding): Promise<unknown>;
}

/** What was sent: files, each counted once, and all bytes that the connection took. */
export interface Sent {
  readonly files: number;
  readonly bytes: number;
}

export interface SendContextOptions {
  readonly context: Pick<EncodedContext, 'digest' | 'objects'>;
  readonly others: readonly OtherFile[];
  /** Whether it is known already that the server doesn't have the context. */
  readonly isMissing?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes of content sent so far, and of how many. Starts again at 0 after a cut. */
  readonly onProgress?: ((contentBytes: number, totalBytes: number) => void) | undefined;
  /** Called before each wait. */
  readonly onRetry?: ((error: unknown) => void) | undefined;
  /** How long to go on trying while nothing gets through, ms. */
  readonly giveUpAfterMs?: number | undefined;
}

const GIVE_UP_MS = 60_000;
/** To send so much takes hardly longer than a question. */
const MAX_UNASKED_BYTES = 1024 * 1024;

/**
 * Sends what the server lacks of a context, in one stream. If that is cut off, asks again what is missing, and goes on there.
 * @throws ContextChanged, UsageError from reading, and what `calls` throw
 */
export async function sendContext(calls: TreeCalls, options: SendContextOptions): Promise<Sent> {
  const { context, others, signal, onRetry, giveUpAfterMs = GIVE_UP_MS } = options;
  const sent: Sending = { files: new Set(), bytes: 0 };
  let failures = 0;
  let failsSince = 0;
  let left = '';
  let isMissing = options.isMissing === true;
  let mayResume = true;
  for (;;) {
    signal?.throwIfAborted();
    try {
      const missing = await findMissing(
        context,
        others.map(({ digest }) => digest),
        calls.missing,
        isMissing,
      );
      endOfStage('asking');
      // Once something was sent, it is asked.
      isMissing = false;
      if (amountOf(missing) !== left) [failures, left] = [0, amountOf(missing)];
      const wanted = mayResume ? missing : fromTheStart(missing);
      if (missing.directories.size + missing.files.size > 0) await sendParts(calls, wanted, options, sent);
      endOfStage('sending');
      return { files: sent.files.size, bytes: sent.bytes };
    } catch (error) {
      signal?.throwIfAborted();
      failures += 1;
      if (failures === 1) failsSince = performance.now();
      if (!mayGoOn(error) || performance.now() - failsSince > giveUpAfterMs) throw error;
      // Another process of the API may have answered, which doesn't have the beginnings of files that this one has.
      if (isProblem(error, 'tree_incomplete')) mayResume = false;
      onRetry?.(error);
      const asked = error instanceof KilnProblem ? error.retryAfterMs : undefined;
      const waitMs = Math.max(backoffMs(failures, Math.random), asked ?? 0);
      await delay(waitMs, undefined, signal && { signal }).catch(() => {});
    }
  }
}

/**
 * Sends what the server probably lacks, without asking: what has changed since an earlier build of the context, if that is little. Returns what was
 * sent. Tries once, and throws nothing of a server that refuses, lacks more, or isn't there: the next call finds that out.
 * @throws ContextChanged, UsageError from reading @throws the signal's reason
 */
export async function sendChanges(calls: TreeCalls, options: SendContextOptions): Promise<Sent> {
  const { context, others, signal } = options;
  const missing = presumedMissing(
    context,
    others.map(({ digest }) => digest),
  );
  const otherBytes = sum(others.map(({ bytes }) => bytes.length));
  if (!missing || contentBytesOf(context, missing) + otherBytes > MAX_UNASKED_BYTES) return { files: 0, bytes: 0 };
  const sent: Sending = { files: new Set(), bytes: 0 };
  try {
    await sendParts(calls, missing, options, sent);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof ContextChanged || error instanceof UsageError) throw error;
    // Those that aren't stored will be sent again.
    sent.files.clear();
  } finally {
    endOfStage('sending');
  }
  return { files: sent.files.size, bytes: sent.bytes };
}

/** Of the objects themselves, too. */
function contentBytesOf(context: SendContextOptions['context'], missing: MissingParts): number {
  const objects = [...missing.directories].map((digest) => context.objects.get(digest)?.object.bytes.length ?? 0);
  return sum(objects) + sum(filesToSend(context, missing).map(({ state }) => state.sizeBytes));
}

/**
 * Whether asking again may help: also if something between cut the stream off, and the API answers that; or if it doesn't have a part, or the beginning of
 * one, any longer.
 */
function mayGoOn(error: unknown): boolean {
  return isTransient(error) || isProblem(error, 'tree_incomplete') || isProblem(error, 'context_incomplete');
}

function isProblem(error: unknown, code: ProblemCode): boolean {
  return error instanceof KilnProblem && error.problem.code === code;
}

function fromTheStart({ directories, files }: MissingParts): MissingParts {
  return { directories, files: new Map([...files.keys()].map((digest) => [digest, 0])) };
}

/** What was sent until now. */
interface Sending {
  readonly files: Set<ContextFile>;
  bytes: number;
}

/** Tells whether anything got through since the last question. */
function amountOf({ directories, files }: MissingParts): string {
  return `${directories.size} ${files.size} ${sum(files.values())}`;
}

async function sendParts(
  calls: TreeCalls,
  missing: MissingParts,
  { context, others, onProgress }: SendContextOptions,
  sent: Sending,
): Promise<void> {
  const files = filesToSend(context, missing);
  const totalBytes = files.reduce((sum, { state }) => sum + state.sizeBytes, 0) - sum(missing.files.values());
  let contentBytes = 0;
  const parts = contextParts(context, others, missing, {
    onContent: (bytes) => {
      contentBytes += bytes;
      onProgress?.(contentBytes, totalBytes);
    },
    onFile: (file) => sent.files.add(file),
  });
  async function* body(encoding: ContentEncoding): AsyncGenerator<Uint8Array> {
    for await (const chunk of encoded(writeParts(parts), encoding)) {
      sent.bytes += chunk.length;
      yield chunk;
    }
  }
  onProgress?.(0, totalBytes);
  const encoding = chooseEncoding(sampleOf(files));
  await calls.store(body(encoding), encoding);
}

/** Returns the files of a context whose content is missing, each once. */
function filesToSend({ objects }: SendContextOptions['context'], missing: MissingParts): ContextFile[] {
  const files: ContextFile[] = [];
  const large = new Set(missing.files.keys());
  for (const digest of missing.directories) {
    const found = objects.get(digest);
    if (!found || found.object.node.type === 'parts') continue;
    const named = childrenOf(found);
    for (const { name } of inlineFiles(found.object.node)) files.push(named(name));
    for (const entry of found.object.node.entries)
      if (entry.type === 'file' && large.delete(entry.digest)) files.push(named(entry.name));
  }
  return files;
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const each of numbers) total += each;
  return total;
}
