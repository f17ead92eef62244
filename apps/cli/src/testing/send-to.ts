import { writeParts } from '@kiln/trees';
import { DigestCache } from '../context/digests/digest-cache.ts';
import { hashContext } from '../context/digests/hash-context.ts';
import { type EncodedContext, encodeContext } from '../context/encode-context.ts';
import type { LocalContext } from '../context/local-context.ts';
import { contextParts } from '../context/sending/context-parts.ts';
import { findMissing } from '../context/sending/missing-parts.ts';
import { PartStore, type StoredEntry } from './part-store.ts';

/** Hashes a context without a cache, and encodes it. */
export async function encodedContext({ tree }: Pick<LocalContext, 'tree'>): Promise<EncodedContext> {
  await hashContext(tree, await DigestCache.open({ home: undefined, root: '/', nowMs: Date.now() }));
  return encodeContext(tree);
}

/** Sends a context to a store, and returns what that then has of it. */
export async function sendTo(store: PartStore, context: EncodedContext): Promise<StoredEntry[]> {
  const missing = await findMissing(context, [], async (parts) => store.missing(parts));
  await store.store(writeParts(contextParts(context, [], missing)));
  return store.list(context.digest);
}

/** Returns the entries of a context as they would be stored. */
export async function storedEntries(context: Pick<LocalContext, 'tree'>): Promise<StoredEntry[]> {
  return sendTo(new PartStore(), await encodedContext(context));
}
