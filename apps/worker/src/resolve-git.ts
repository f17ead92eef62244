import { execFile } from 'node:child_process';
import { type Failure, isCommit } from '@kiln/domain';
import { followGitRedirect, type GitConfig, type GitGuard, reachGitHost } from './git-reach.ts';
import { SourceUnresolved } from './source-unresolved.ts';

export interface GitRemote {
  readonly url: string;
  readonly ref?: string | undefined;
}

const TIMEOUT_MS = 30_000;

/**
 * The commit that `ref` (default: the remote HEAD) names now. A full commit id is taken as it is.
 * Order as in gitrevisions(7): the exact ref, a tag (peeled), a branch.
 * `secrets`: `GIT_AUTH_TOKEN.<host>`, `GIT_AUTH_TOKEN`, `GIT_AUTH_HEADER.<host>`, `GIT_AUTH_HEADER`, as BuildKit has them.
 * @throws SourceUnresolved
 */
export async function resolveCommit(
  { url, ref }: GitRemote,
  secrets: ReadonlyMap<string, string>,
  guard: GitGuard,
  signal: AbortSignal,
): Promise<string> {
  if (ref !== undefined && isCommit(ref)) return ref;
  const wanted = ref ?? 'HEAD';
  const found = await lsRemote({ url, secrets, guard, signal }, patterns(wanted));
  for (const name of preference(wanted)) {
    const commit = found.get(name);
    if (commit) return commit;
  }
  throw new SourceUnresolved({
    code: 'git_ref_missing',
    message: `${url} has no branch, tag or ref ${JSON.stringify(wanted)}`,
  });
}

function patterns(ref: string): string[] {
  return ref === 'HEAD' ? ['HEAD'] : [ref, `refs/tags/${ref}`, `refs/tags/${ref}^{}`, `refs/heads/${ref}`, `${ref}^{}`];
}

function preference(ref: string): string[] {
  if (ref === 'HEAD') return ['HEAD'];
  const full = ref.startsWith('refs/') ? [`${ref}^{}`, ref] : [];
  return [...full, `refs/tags/${ref}^{}`, `refs/tags/${ref}`, `refs/heads/${ref}`];
}

interface Asking {
  readonly url: string;
  readonly secrets: ReadonlyMap<string, string>;
  readonly guard: GitGuard;
  readonly signal: AbortSignal;
}

async function lsRemote(asking: Asking, refs: readonly string[]): Promise<Map<string, string>> {
  const { url, guard, signal } = asking;
  const stdout = await ask(asking, url, refs).catch(async (error: GitFailed) => {
    if (signal.aborted || error instanceof SourceUnresolved) throw error;
    const elsewhere = REDIRECTED.test(error.stderr) ? await followGitRedirect(url, guard, signal) : undefined;
    if (elsewhere === undefined) throw new SourceUnresolved(explain(url, error));
    return ask(asking, elsewhere, refs).catch((again: GitFailed) => {
      if (signal.aborted || again instanceof SourceUnresolved) throw again;
      throw new SourceUnresolved(explain(elsewhere, again));
    });
  });
  return new Map(
    stdout
      .split('\n')
      .filter((line) => line.includes('\t'))
      .map((line) => {
        const [commit = '', name = ''] = line.split('\t');
        return [name, commit];
      }),
  );
}

const REDIRECTED = /returned error: 30[1278]\b/;

/** Asks the server at `at`; credentials go to the origin of the build's own URL only. */
async function ask({ url, secrets, guard, signal }: Asking, at: string, refs: readonly string[]): Promise<string> {
  const config = { ...(await reachGitHost(at, guard)), ...authConfig(url, secrets) };
  return git(['ls-remote', '--', at, ...refs], gitEnv(config), signal);
}

interface GitFailed extends Error {
  readonly stderr: string;
  readonly timedOut: boolean;
}

function git(args: readonly string[], env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      'git',
      args,
      { env, signal, timeout: TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        if (error) reject(Object.assign(error, { stderr, timedOut: error.killed === true && !signal.aborted }));
        else resolve(stdout);
      },
    );
  });
}

/** Git's own words decide here, because its exit code is 128 for everything. LC_ALL=C keeps them in English. */
function explain(url: string, { stderr, timedOut, message }: GitFailed): Failure {
  const words =
    stderr
      .trim()
      .split('\n')
      .at(-1)
      ?.replace(/^fatal: /, '') || message;
  if (timedOut) {
    return { code: 'git_unreachable', message: `${url} didn’t answer within ${TIMEOUT_MS / 1000} s` };
  }
  const auth =
    /could not read (Username|Password)|Authentication failed|terminal prompts disabled|HTTP 40[13]|error: 40[13]/;
  if (auth.test(stderr)) {
    return {
      code: 'git_auth_failed',
      message: `${url} wants credentials, or refuses the ones given: kiln git-token set ${new URL(url).host} keeps some, a secret GIT_AUTH_TOKEN passes some (${words})`,
    };
  }
  return { code: 'git_unreachable', message: `${url} can’t be read: ${words}` };
}

function authConfig(url: string, secrets: ReadonlyMap<string, string>): GitConfig {
  const { host, origin } = new URL(url);
  const token = secrets.get(`GIT_AUTH_TOKEN.${host}`) ?? secrets.get('GIT_AUTH_TOKEN');
  const basic = token && `basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`;
  const header = secrets.get(`GIT_AUTH_HEADER.${host}`) ?? secrets.get('GIT_AUTH_HEADER') ?? basic;
  return header ? { [`http.${origin}/.extraHeader`]: `Authorization: ${header}` } : {};
}

/** Never asks, never runs a helper, never speaks another protocol than those that the API accepts. */
function gitEnv(config: GitConfig): NodeJS.ProcessEnv {
  const settings = Object.entries(config);
  return {
    ...process.env,
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: 'true',
    GIT_ALLOW_PROTOCOL: 'https:http:git',
    GIT_CONFIG_COUNT: String(settings.length),
    ...Object.fromEntries(
      settings.flatMap(([key, value], i) => [
        [`GIT_CONFIG_KEY_${i}`, key],
        [`GIT_CONFIG_VALUE_${i}`, value],
      ]),
    ),
  };
}
