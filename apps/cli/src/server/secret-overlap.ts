/** The flag for how long a replaced secret stays valid. */
export const OVERLAP = {
  kind: 'text',
  value: 'DURATION',
  help: 'How long the old secret stays valid, too: 90s, 1h, at most 168h, or 0 to end it at once (default: 24h)',
} as const;

/** What becomes of the old secret. `expiresAt`: undefined if it was ended at once. */
export function overlapText(expiresAt: string | undefined): string {
  return expiresAt === undefined ? 'the old secret is no longer valid' : `the old secret is valid until ${expiresAt}`;
}
