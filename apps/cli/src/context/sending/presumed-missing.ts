import { type Digest, referencesOf } from '@kiln/trees';
import type { ContextObject, EncodedContext } from '../encode-context.ts';
import { childrenOf } from './context-parts.ts';
import type { MissingParts } from './missing-parts.ts';

/**
 * Returns what the server lacks, if it got the context as it was when digests were remembered: the directories that have changed, the files in them that had
 * to be read, and `otherFiles`. Undefined if that is nothing. If nothing was remembered, only the other files.
 */
export function presumedMissing(
  { digest, objects }: Pick<EncodedContext, 'digest' | 'objects'>,
  otherFiles: readonly Digest[],
): MissingParts | undefined {
  const all = new Map(objects.changed().map((each) => [each.object.digest, each]));
  const changed = all.has(digest) ? all : new Map<Digest, ContextObject>();
  if (changed.size + otherFiles.length === 0) return undefined;
  const files = new Map(otherFiles.map((each) => [each, 0]));
  for (const found of changed.values()) {
    const named = childrenOf(found);
    for (const file of referencesOf(found.object.node).files) if (named(file.name).isNew) files.set(file.digest, 0);
  }
  return { directories: new Set(changed.keys()), files };
}
