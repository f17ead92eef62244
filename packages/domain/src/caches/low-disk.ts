/** What is free on a host's disk, and what should be at least. */
export interface FreeDisk {
  readonly freeBytes: number;
  readonly minFreeBytes: number;
}

/** A host counts as low on disk until this many times the minimum is free, so that it doesn't oscillate. */
const RECOVERED = 1.2;
/** Evictions free up to this many times the minimum: more than a host needs to recover. */
const TARGET = 1.4;

/** Whether a host is low on disk. @param before whether it was */
export function isLowOnDisk({ freeBytes, minFreeBytes }: FreeDisk, before: boolean): boolean {
  return freeBytes < minFreeBytes * (before ? RECOVERED : 1);
}

/** Returns how many bytes to evict from a host that is low on disk. */
export function bytesToFree({ freeBytes, minFreeBytes }: FreeDisk): number {
  return Math.max(0, Math.ceil(minFreeBytes * TARGET - freeBytes));
}
