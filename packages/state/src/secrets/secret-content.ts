import type { SecretInfo } from '@kiln/domain';

/** What is sealed of a secret. */
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

/** The part of it that nobody may see. */
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
 * What a sealed value is bound to. With it goes whether untrusted builds may have it: who can write to Redis, but not seal, must not be
 * able to give it away.
 */
export function sealContext({ team, repo = '', kind, name, untrustedOk }: SecretInfo): string {
  return JSON.stringify(['secret', team, repo, kind, name, untrustedOk]);
}

/** The BuildKit secret by which it reads repositories of `host`: a token by itself, or with a user's name in a whole header. */
export function gitAuthSecret(
  host: string,
  { token, username }: Extract<SecretContent, { kind: 'git' }>,
): readonly [id: string, value: string] {
  if (username === undefined) return [`GIT_AUTH_TOKEN.${host}`, token];
  return [`GIT_AUTH_HEADER.${host}`, `basic ${Buffer.from(`${username}:${token}`).toString('base64')}`];
}

/** Whether a build brings its own credentials for `host`, which go before stored ones. */
export function bringsGitAuth(ids: ReadonlySet<string>, host: string): boolean {
  return ['GIT_AUTH_TOKEN', 'GIT_AUTH_HEADER'].some((name) => ids.has(name) || ids.has(`${name}.${host}`));
}
