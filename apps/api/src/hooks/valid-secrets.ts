import type { PreviousSecret } from '@kiln/state';

/** The secrets that are valid at `nowMs`: the current one first, then the previous one until it expires. */
export function validSecrets(current: string, previous: PreviousSecret | undefined, nowMs: number): readonly string[] {
  return previous && isValid(previous, nowMs) ? [current, previous.secret] : [current];
}

/** What becomes of the current secret when another one takes its place. Undefined if it expires at once. */
export function outgoingSecret(current: string, overlapSeconds: number, nowMs: number): PreviousSecret | undefined {
  return overlapSeconds === 0 ? undefined : { secret: current, expiresAt: nowMs + overlapSeconds * 1_000 };
}

export function isValid({ expiresAt }: PreviousSecret, nowMs: number): boolean {
  return nowMs < expiresAt;
}
