/** The registries for which a client sent logins with its build, and why the build doesn't have them, if so. */
export interface SentLogins {
  readonly registries: readonly string[];
  readonly ignored?: 'off' | 'untrusted' | 'retry' | undefined;
}

const WHY = {
  off: 'were ignored: the server’s KILN_CLIENT_LOGINS is off',
  untrusted: 'were ignored: the build is untrusted',
  retry: 'were deleted when the build that this one repeats ended',
} as const;

/** Returns a sentence that says why a build doesn't have the registry logins of its client; undefined if it has them, or none were sent. */
export function ignoredLogins({ registries, ignored }: SentLogins): string | undefined {
  return ignored && `the client’s logins to ${registries.join(', ')} ${WHY[ignored]}`;
}
