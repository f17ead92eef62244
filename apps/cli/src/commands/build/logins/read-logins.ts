import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ClientLogin, MAX_CLIENT_LOGINS } from '@kiln/contracts';
import { askHelper, HelperFailed } from './credential-helper.ts';
import {
  type Credentials,
  configKey,
  credentialsIn,
  type DockerConfig,
  helperOf,
  parseDockerConfig,
} from './docker-config.ts';

type Env = Readonly<Record<string, string | undefined>>;

export interface ReadLogins {
  readonly logins: readonly ClientLogin[];
  readonly warnings: readonly string[];
}

/**
 * Reads this machine's logins to some registries, as docker does: from `DOCKER_AUTH_CONFIG`, or else from the configuration file: from a
 * registry's credential helper, the credential store, or the file itself. A login that can't be read is left out, with a warning.
 * @param registries as image references name them
 */
export async function readLogins(registries: readonly string[], env: Env): Promise<ReadLogins> {
  const warnings: string[] = [];
  const warn = (message: string) => void warnings.push(message);
  const fromEnv = envConfig(env, warn);
  const file = await fileConfig(env, warn);
  const found = await Promise.all(
    registries.map(async (registry): Promise<ClientLogin[]> => {
      try {
        const credentials = await credentialsFor(registry, { fromEnv, file, env });
        return credentials ? [{ registry, ...credentials }] : [];
      } catch (error) {
        if (!(error instanceof HelperFailed || error instanceof TypeError)) throw error;
        warn(`the login to ${registry} is not used: ${error.message}`);
        return [];
      }
    }),
  );
  const logins = found.flat();
  if (logins.length > MAX_CLIENT_LOGINS) {
    const left = logins.slice(MAX_CLIENT_LOGINS).map(({ registry }) => registry);
    warn(`a build can have ${MAX_CLIENT_LOGINS} registry logins at most; those to ${left.join(', ')} are not used`);
  }
  return { logins: logins.slice(0, MAX_CLIENT_LOGINS), warnings };
}

interface Configs {
  readonly fromEnv: DockerConfig | undefined;
  readonly file: DockerConfig | undefined;
  readonly env: Env;
}

/** @throws HelperFailed @throws TypeError */
async function credentialsFor(registry: string, { fromEnv, file, env }: Configs): Promise<Credentials | undefined> {
  const given = fromEnv && credentialsIn(fromEnv, registry);
  if (given) return given;
  const helper = file && helperOf(file, registry);
  if (helper !== undefined) return await askHelper(helper, configKey(registry), { env });
  return file && credentialsIn(file, registry);
}

function envConfig({ DOCKER_AUTH_CONFIG: text }: Env, warn: (message: string) => void): DockerConfig | undefined {
  if (!text) return undefined;
  const config = parseDockerConfig(text);
  if (!config) warn('DOCKER_AUTH_CONFIG is ignored: it is not a JSON object');
  return config;
}

async function fileConfig(env: Env, warn: (message: string) => void): Promise<DockerConfig | undefined> {
  const dir = env.DOCKER_CONFIG || (env.HOME ? join(env.HOME, '.docker') : undefined);
  if (dir === undefined) return undefined;
  const path = join(dir, 'config.json');
  try {
    const config = parseDockerConfig(await readFile(path, 'utf8'));
    if (!config) warn(`registry logins are not used: ${path} is not a JSON object`);
    return config;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') warn(`registry logins are not used: ${message}`);
    return undefined;
  }
}
