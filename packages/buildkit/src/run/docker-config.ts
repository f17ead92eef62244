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

/** The parts of Docker's client configuration that are read here. */
interface DockerConfig {
  readonly auths?: Readonly<Record<string, unknown>>;
  readonly credHelpers?: Readonly<Record<string, string>>;
}

/** Returns the text of a `config.json` with the host's own logins and the build's, which take precedence. */
export function dockerConfig(logins: readonly RegistryLogin[], base: DockerConfig): string {
  const auths = logins.map(({ host, username, password }) => [
    configName(host),
    { auth: Buffer.from(`${username}:${password}`).toString('base64') },
  ]);
  // A helper, or a store for all hosts, takes precedence over `auths`; an empty helper turns both off for a host.
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
