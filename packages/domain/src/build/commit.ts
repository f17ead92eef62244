/** Returns whether a git ref is a full commit id, SHA-1 or SHA-256, which always names the same files. */
export function isCommit(ref: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(ref);
}
