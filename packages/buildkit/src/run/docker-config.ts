import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A user's password, or a token in its place, as Docker's configuration may have it. */
type Credentials =
  | { readonly username: string; readonly password: string }
  | { readonly identityToken: string }
  | { readonly registryToken: string };

export type RegistryLogin = Credentials & {
  /** `host[:port]`. */
  readonly host: string;
  /** Whose login it is: that of the client that submitted the build, or a stored one of its team. Default: `team`. */
  readonly whose?: 'client' | 'team';
};

/** Docker's name for Docker Hub in its configuration (docker/cli, registry.IndexServer). */
const DOCKER_HUB = 'https://index.docker.io/v1/';

/** The parts of Docker's client configuration that are read here. */
export interface DockerConfig {
  readonly auths?: Readonly<Record<string, unknown>>;
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly credsStore?: string;
}

/** Returns the text of a `config.json` with the host's own logins and the build's, which take precedence. */
export function dockerConfig(logins: readonly RegistryLogin[], base: DockerConfig): string {
  const auths = logins.map((login) => [configName(login.host), authOf(login)]);
  // A helper, or a store for all hosts, takes precedence over `auths`; an empty helper turns both off for a host.
  const noHelper = logins.map(({ host }) => [configName(host), '']);
  return JSON.stringify({
    ...base,
    auths: { ...base.auths, ...Object.fromEntries(auths) },
    ...(hasHelpers(base) && { credHelpers: { ...base.credHelpers, ...Object.fromEntries(noHelper) } }),
  });
}

function authOf(login: RegistryLogin): Readonly<Record<string, string>> {
  if ('identityToken' in login) return { identitytoken: login.identityToken };
  if ('registryToken' in login) return { registrytoken: login.registryToken };
  return { auth: Buffer.from(`${login.username}:${login.password}`).toString('base64') };
}

/** Returns the part of a login that logs must not show. */
export function hiddenPart(login: RegistryLogin): string {
  if ('identityToken' in login) return login.identityToken;
  return 'registryToken' in login ? login.registryToken : login.password;
}

/** Returns whether a configuration may have a login to a registry. What a helper has isn't known. */
export function mayHaveLogin({ auths = {}, credHelpers = {}, credsStore }: DockerConfig, host: string): boolean {
  const name = configName(host);
  const hostOf = (key: string) => key.replace(/^https?:\/\//, '').replace(/\/.*$/s, '');
  return (
    name in auths || Object.keys(auths).some((key) => hostOf(key) === host) || Boolean(credHelpers[name] ?? credsStore)
  );
}

function hasHelpers(base: object): boolean {
  return 'credHelpers' in base || 'credsStore' in base;
}

function configName(host: string): string {
  return host === 'docker.io' ? DOCKER_HUB : host;
}

/** Reads the host's own configuration; empty if there is none. @throws SyntaxError @throws the file system's errors */
export async function hostDockerConfig(dir: string | undefined): Promise<DockerConfig> {
  if (dir === undefined) return {};
  try {
    return JSON.parse(await readFile(join(dir, 'config.json'), 'utf8')) as DockerConfig;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}
