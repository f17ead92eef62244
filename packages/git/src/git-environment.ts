/** Settings of git by their names. */
export type GitConfig = Readonly<Record<string, string>>;

export interface GitSettings {
  /** The only protocol that git may speak: `https`, `http` or `git`. */
  readonly protocol: string;
  /** Beside Kiln's own, over which it wins. What is secret may stand here: command lines can be read by everybody on the machine, this can't. */
  readonly config: GitConfig;
  readonly variables?: Readonly<Record<string, string>>;
}

/**
 * All that git gets to see of the process' own environment: where programs are, by which proxy the operator's network is left, and whose
 * certificates are believed. libcurl reads the proxies in these spellings.
 */
export const PASSED_ON: readonly string[] = [
  'PATH',
  ...['http_proxy', 'https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY', 'no_proxy', 'NO_PROXY'],
  ...['GIT_SSL_CAINFO', 'GIT_SSL_CAPATH', 'SSL_CERT_FILE', 'SSL_CERT_DIR'],
];

/** Nothing can be in it, and nobody can put anything there: no `.netrc`, no `.gitconfig`, no stored credentials. */
const NO_DIRECTORY = '/dev/null';

const ALWAYS: GitConfig = {
  // Whatever it were sent to could be anything, and would get the credentials. `askRemote` follows by itself, where it may.
  'http.followRedirects': 'false',
  // An empty one ends the list of helpers; there is no list, as no file of configuration is read.
  'credential.helper': '',
  'core.askPass': '',
  'core.hooksPath': NO_DIRECTORY,
  // What is fetched is thrown away in a moment.
  'maintenance.auto': 'false',
  'gc.auto': '0',
  // Threads reserve memory, which is limited (`runGit`); what is fetched is small.
  'pack.threads': '1',
};

/** A server that sends less than a byte a second for so long is taken for dead, s. */
const SILENCE_SECONDS = '10';

/**
 * Git's whole environment. It reads no file of configuration but that of the repository it is told to use, never asks, runs no helper and no
 * hook, and speaks one protocol. Objects that are fetched aren't checked for the faults that `fsck` knows: none is ever checked out, and
 * honest old repositories have some.
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
    // Else git looks for a repository around the directory in which Kiln was started, and does what its configuration says.
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

/** Sends `Authorization: <header>` to the origin of a URL, and to no other. */
export function authorizing(url: string, header: string | undefined): GitConfig {
  return header === undefined ? {} : { [`http.${new URL(url).origin}/.extraHeader`]: `Authorization: ${header}` };
}
