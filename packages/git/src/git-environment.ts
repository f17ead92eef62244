/** Git settings by name. */
export type GitConfig = Readonly<Record<string, string>>;

export interface GitSettings {
  /** The only protocol that git may speak: `https`, `http` or `git`. */
  readonly protocol: string;
  /** Overrides Kiln's own settings. May contain secrets: unlike command lines, the environment isn't readable for other users. */
  readonly config: GitConfig;
  readonly variables?: Readonly<Record<string, string>>;
}

/**
 * The variables of the process's environment that git gets: the path, the operator's proxies (in the spellings that libcurl reads), and trusted
 * certificates.
 */
export const PASSED_ON: readonly string[] = [
  'PATH',
  ...['http_proxy', 'https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY', 'no_proxy', 'NO_PROXY'],
  ...['GIT_SSL_CAINFO', 'GIT_SSL_CAPATH', 'SSL_CERT_FILE', 'SSL_CERT_DIR'],
];

/** Used as a directory that can't contain anything: no `.netrc`, no `.gitconfig`, no stored credentials. */
const NO_DIRECTORY = '/dev/null';

const ALWAYS: GitConfig = {
  // A redirect may lead anywhere, and git would send the credentials there. `listRefs` follows redirects itself if they are allowed.
  'http.followRedirects': 'false',
  // An empty entry clears the list of helpers.
  'credential.helper': '',
  'core.askPass': '',
  'core.hooksPath': NO_DIRECTORY,
  // Fetched objects are soon removed.
  'maintenance.auto': 'false',
  'gc.auto': '0',
  // Threads reserve memory, which `runGit` limits, and the packs are small.
  'pack.threads': '1',
};

/** A server that sends less than a byte per second for this long is considered dead, in s. */
const SILENCE_SECONDS = '10';

/**
 * Returns git's whole environment. With it git reads no configuration but that of the given repository, never prompts, runs no helper and no hook,
 * and speaks only one protocol. Fetched objects aren't checked by `fsck`: none is ever checked out, and old repositories have harmless faults.
 */
export function gitEnvironment({ protocol, config, variables = {} }: GitSettings): NodeJS.ProcessEnv {
  const settings = Object.entries({ ...ALWAYS, ...config });
  const passedOn = PASSED_ON.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(passedOn),
    HOME: NO_DIRECTORY,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_CONFIG_GLOBAL: '/dev/null',
    // Otherwise git would search for a repository from Kiln's working directory upwards, and obey its configuration.
    GIT_DIR: NO_DIRECTORY,
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: '',
    SSH_ASKPASS: '',
    GIT_ALLOW_PROTOCOL: protocol,
    GIT_HTTP_LOW_SPEED_LIMIT: '1',
    GIT_HTTP_LOW_SPEED_TIME: SILENCE_SECONDS,
    GIT_CONFIG_COUNT: String(settings.length),
    ...Object.fromEntries(
      settings.flatMap(([key, value], i) => [
        [`GIT_CONFIG_KEY_${i}`, key],
        [`GIT_CONFIG_VALUE_${i}`, value],
      ]),
    ),
    ...variables,
  };
}

/** Returns the setting that sends `Authorization: <header>` to the origin of a URL only. */
export function authorizing(url: string, header: string | undefined): GitConfig {
  return header === undefined ? {} : { [`http.${new URL(url).origin}/.extraHeader`]: `Authorization: ${header}` };
}
