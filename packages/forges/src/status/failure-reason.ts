/** Why a request failed. `fetch failed` alone explains nothing, so this is the message of the innermost cause, such as the socket's. */
export function failureReason(error: unknown): string {
  let at = error;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  return at instanceof Error ? at.message : String(at);
}
