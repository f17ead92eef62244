import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface RegistryLogin {
  /** `host[:port]`. */
  readonly host: string;
  readonly username: string;
  readonly password: string;
}

/** Docker's name for Docker Hub in its configuration (docker/cli, registry.IndexServer). */
const DOCKER_HUB = 'https://index.docker.io/v1/';

/** Docker's client configuration, as far as it is looked at here. */
interface DockerConfig {
  readonly auths?: Readonly<Record<string, unknown>>;
  readonly credHelpers?: Readonly<Record<string, string>>;
}

/** The host's own logins with the build's over them, as a `config.json`. */
export function dockerConfig(logins: readonly RegistryLogin[], base: DockerConfig): string {
  const auths = logins.map(({ host, username, password }) => [
    configName(host),
    { auth: Buffer.from(`${username}:${password}`).toString('base64') },
  ]);
  // A helper, or a store for all hosts, goes before `auths`; the empty one turns both off for a host.
  const noHelper = logins.map(({ host }) => [configName(host), '']);
  return JSON.stringify({
    ...base,
    auths: { ...base.auths, ...Object.fromEntries(auths) },
    ...(hasHelpers(base) && { credHelpers: { ...base.credHelpers, ...Object.fromEntries(noHelper) } }),
  });
}

function hasHelpers(base: object): boolean {
  return 'credHelpers' in base || 'credsStore' in base;
}

function configName(host: string): string {
  return host === 'docker.io' ? DOCKER_HUB : host;
}

/** What the operator gave the host; nothing where that is nothing. @throws SyntaxError; the file system's errors */
export async function hostDockerConfig(dir: string | undefined): Promise<DockerConfig> {
  if (dir === undefined) return {};
  try {
    return JSON.parse(await readFile(join(dir, 'config.json'), 'utf8')) as DockerConfig;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}
