import type { Logger } from '@kiln/runtime';
import { type CacheReferences, persist, type ReferenceOwner } from '@kiln/state';

interface MemoryDeps {
  readonly references?: Pick<CacheReferences, 'wrote' | 'used'> | undefined;
  readonly log: Logger;
  readonly now: () => number;
}

/** Tells the pool which references of caches a build uses and has written, so that they are deleted once no build does. No build waits for it. */
export function referenceMemory({ references, log, now }: MemoryDeps, owner: ReferenceOwner) {
  const inBackground = (refs: readonly string[], write: (to: NonNullable<typeof references>) => Promise<void>) => {
    if (!references || refs.length === 0) return;
    persist(
      () => write(references),
      (error) => log.warn({ err: error }, 'redis call failed; trying again'),
    ).catch((error: unknown) => log.warn({ err: error, refs }, 'use of cache references not recorded'));
  };
  return {
    used: (refs: readonly string[]) => inBackground(refs, (to) => to.used(owner.team, refs, now())),
    wrote: (refs: readonly string[]) => inBackground(refs, (to) => to.wrote(owner, refs, now())),
  };
}
