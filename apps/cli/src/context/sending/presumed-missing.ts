import { type Digest, referencesOf } from '@kiln/trees';
import type { EncodedContext } from '../encode-context.ts';
import { childrenOf } from './context-parts.ts';
import type { MissingParts } from './missing-parts.ts';

/**
 * Returns what the server lacks, if it got the context as it was when digests were remembered: the directories that have changed, and the files in them that had
 * to be read. Undefined if nothing was remembered or nothing has changed.
 */
export function presumedMissing(
  { digest, objects }: Pick<EncodedContext, 'digest' | 'objects'>,
  otherFiles: readonly Digest[],
): MissingParts | undefined {
  const changed = new Map(objects.changed().map((each) => [each.object.digest, each]));
  if (!changed.has(digest)) return undefined;
  const files = new Map(otherFiles.map((each) => [each, 0]));
  for (const found of changed.values()) {
    const named = childrenOf(found);
    for (const file of referencesOf(found.object.node).files) if (named(file.name).isNew) files.set(file.digest, 0);
  }
  return { directories: new Set(changed.keys()), files };
}
