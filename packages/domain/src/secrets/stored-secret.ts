/** `build`: for RUN --mount=type=secret; `registry`: a login, named by the registry's host; `git`: a token, named by the git server's host. */
export const SECRET_KINDS = ['build', 'registry', 'git'] as const;
export type SecretKind = (typeof SECRET_KINDS)[number];

/** Identifies a stored secret. Its value is sealed with this, and can't be opened under another identity. */
export interface SecretIdentity {
  readonly team: string;
  /** As returned by `repoOrigin`. Absent: it is for all builds of the team. */
  readonly repo?: string;
  readonly kind: SecretKind;
  readonly name: string;
}

/** A stored secret without its value. */
export interface SecretInfo extends SecretIdentity {
  /** Whether untrusted builds get it, too. */
  readonly untrustedOk: boolean;
}
