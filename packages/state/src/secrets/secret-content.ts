import type { SecretInfo } from '@kiln/domain';

/** The sealed part of a secret. */
export type SecretContent =
  | { readonly kind: 'build'; readonly value: string }
  | { readonly kind: 'registry'; readonly username: string; readonly password: string }
  | { readonly kind: 'git'; readonly token: string; readonly username?: string };

export interface RegistryLogin {
  /** `host[:port]`. */
  readonly host: string;
  readonly username: string;
  readonly password: string;
}

/** The part that logs must not show. */
export function hiddenPart(content: SecretContent): string {
  switch (content.kind) {
    case 'build':
      return content.value;
    case 'registry':
      return content.password;
    case 'git':
      return content.token;
  }
}

/**
 * The context of a sealed value. It includes whether untrusted builds may have the secret, so that someone who can write to Redis, but
 * not seal, can't grant it to them.
 */
export function sealContext({ team, repo = '', kind, name, untrustedOk }: SecretInfo): string {
  return JSON.stringify(['secret', team, repo, kind, name, untrustedOk]);
}

/** The BuildKit secret for repositories on `host`: the token, or a whole header if it needs a user name. */
export function gitAuthSecret(
  host: string,
  { token, username }: Extract<SecretContent, { kind: 'git' }>,
): readonly [id: string, value: string] {
  if (username === undefined) return [`GIT_AUTH_TOKEN.${host}`, token];
  return [`GIT_AUTH_HEADER.${host}`, `basic ${Buffer.from(`${username}:${token}`).toString('base64')}`];
}

/** Whether a build has its own credentials for `host`, which take precedence over stored ones. */
export function bringsGitAuth(ids: ReadonlySet<string>, host: string): boolean {
  return ['GIT_AUTH_TOKEN', 'GIT_AUTH_HEADER'].some((name) => ids.has(name) || ids.has(`${name}.${host}`));
}
