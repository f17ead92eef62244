/** Docker's key of Docker Hub (docker/cli, registry.IndexServer). */
const HUB_KEY = 'https://index.docker.io/v1/';
/** Other names of Docker Hub in configurations. */
const HUB_HOSTS: ReadonlySet<string> = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);

export type Credentials =
  | { readonly username: string; readonly password: string }
  | { readonly identityToken: string }
  | { readonly registryToken: string };

interface AuthEntry {
  readonly auth?: unknown;
  readonly username?: unknown;
  readonly password?: unknown;
  readonly identitytoken?: unknown;
  readonly registrytoken?: unknown;
}

/** The parts of Docker's client configuration that are about logins. */
export interface DockerConfig {
  readonly auths: Readonly<Record<string, AuthEntry>>;
  readonly credHelpers: Readonly<Record<string, unknown>>;
  readonly credsStore: unknown;
}

/** Parses the text of a `config.json`, or of `DOCKER_AUTH_CONFIG`. Returns undefined if it isn't JSON, or not an object. */
export function parseDockerConfig(text: string): DockerConfig | undefined {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(read)) return undefined;
  const { auths, credHelpers, credsStore } = read;
  return {
    auths: isObject(auths) ? entriesOf(auths) : {},
    credHelpers: isObject(credHelpers) ? credHelpers : {},
    credsStore,
  };
}

function entriesOf(auths: Record<string, unknown>): Record<string, AuthEntry> {
  const entries = Object.entries(auths).flatMap(([key, entry]) => (isObject(entry) ? [[key, entry] as const] : []));
  return Object.fromEntries(entries);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns Docker's key of a registry that is named as in image references. */
export function configKey(registry: string): string {
  return registry === 'docker.io' ? HUB_KEY : registry;
}

/** Returns the name that image references have for a registry: `r.example` for `https://r.example/v1/`. */
export function registryOf(key: string): string {
  const host = key.replace(/^https?:\/\//i, '').replace(/\/.*$/s, '');
  return HUB_HOSTS.has(host) ? 'docker.io' : host;
}

/** Returns the suffix of the program that has a registry's login (`docker-credential-<suffix>`); undefined if it is in `auths`. */
export function helperOf({ credHelpers, credsStore }: DockerConfig, registry: string): string | undefined {
  const key = configKey(registry);
  const helper = Object.hasOwn(credHelpers, key) ? credHelpers[key] : credsStore;
  return typeof helper === 'string' && helper !== '' ? helper : undefined;
}

/**
 * Returns the credentials that `auths` has for a registry: under its own key, or else under any form of its name. Undefined if it has none.
 * @throws TypeError that says what is wrong with the entry, without its value
 */
export function credentialsIn({ auths }: DockerConfig, registry: string): Credentials | undefined {
  const key = configKey(registry);
  const found = Object.hasOwn(auths, key) ? key : Object.keys(auths).find((other) => registryOf(other) === registry);
  return found === undefined ? undefined : credentialsOf(found, auths[found] ?? {});
}

function credentialsOf(key: string, entry: AuthEntry): Credentials | undefined {
  const { registrytoken, identitytoken, auth, username, password } = entry;
  if (isText(registrytoken)) return { registryToken: registrytoken };
  if (isText(identitytoken)) return { identityToken: identitytoken };
  if (isText(auth)) return decoded(key, auth);
  return isText(username) && isText(password) ? { username, password } : undefined;
}

function decoded(key: string, auth: string): Credentials {
  const text = Buffer.from(auth, 'base64').toString();
  const colon = text.indexOf(':');
  if (colon < 1) throw new TypeError(`auths[${JSON.stringify(key)}].auth is not the base64 of USER:PASSWORD`);
  // Docker pads short passwords with zero bytes.
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replaceAll('\0', '') };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
