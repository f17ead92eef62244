import type { BigIntStats } from 'node:fs';

/** What the file system says about a file: if all of it is as it was, so is the content, except as `isSettled` says. Times in ns since the epoch. */
export interface FileState {
  readonly sizeBytes: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly inode: bigint;
}

const PERMISSIONS = 0o7777;

export function stateOf({ size, mtimeNs, ctimeNs, ino }: BigIntStats): FileState {
  return { sizeBytes: Number(size), mtimeNs, ctimeNs, inode: ino };
}

/** Returns the permission bits, including set-user-ID, set-group-ID and sticky. */
export function permissionsOf({ mode }: BigIntStats): number {
  return Number(mode) & PERMISSIONS;
}
