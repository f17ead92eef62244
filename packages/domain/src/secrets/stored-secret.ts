/** `build`: for RUN --mount=type=secret; `registry`: a login, named by the registry's host; `git`: a token, named by the git server's host. */
export const SECRET_KINDS = ['build', 'registry', 'git'] as const;
export type SecretKind = (typeof SECRET_KINDS)[number];

/** Where a secret belongs: with its value moved anywhere else, the value doesn't open. */
export interface SecretIdentity {
  readonly team: string;
  /** As `repoOrigin` has it; absent: for all builds of the team. */
  readonly repo?: string;
  readonly kind: SecretKind;
  readonly name: string;
}

/** What decides, beside the value, who gets a secret. */
export interface SecretInfo extends SecretIdentity {
  /** Untrusted builds get it, too. */
  readonly untrustedOk: boolean;
}
