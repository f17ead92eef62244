/** How git shows who it is. */
export interface GitCredentials {
  readonly user: string;
  readonly token: string;
}

/**
 * Git's environment: it never asks, runs no helper, speaks http and https only, and follows no redirect, since what it is sent to could be
 * anything, and it would take the credentials along. They are in the environment: command lines can be read by everybody on the
 * machine. Kiln's own settings, which hold secrets, stay outside.
 */
export function gitEnv(url: string, credentials: GitCredentials | undefined): NodeJS.ProcessEnv {
  const basic = credentials && Buffer.from(`${credentials.user}:${credentials.token}`).toString('base64');
  const settings: readonly (readonly [string, string])[] = [
    ['http.followRedirects', 'false'],
    ['credential.helper', ''],
    // What is fetched is thrown away in a moment.
    ['maintenance.auto', 'false'],
    ['gc.auto', '0'],
    ...(basic === undefined
      ? []
      : ([[`http.${new URL(url).origin}/.extraHeader`, `Authorization: Basic ${basic}`]] as const)),
  ];
  const own = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('KILN_') && !name.startsWith('GIT_CONFIG'),
  );
  return {
    ...Object.fromEntries(own),
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: 'true',
    GIT_ALLOW_PROTOCOL: 'https:http',
    GIT_HTTP_LOW_SPEED_LIMIT: '1',
    GIT_HTTP_LOW_SPEED_TIME: '10',
    GIT_CONFIG_COUNT: String(settings.length),
    ...Object.fromEntries(
      settings.flatMap(([key, value], i) => [
        [`GIT_CONFIG_KEY_${i}`, key],
        [`GIT_CONFIG_VALUE_${i}`, value],
      ]),
    ),
  };
}
