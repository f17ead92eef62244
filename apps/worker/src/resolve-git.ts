import { execFile } from 'node:child_process';
import { type Failure, isCommit } from '@kiln/domain';

/** A git source that can't be resolved to a commit; the failure is the build's. */
export class SourceUnresolved extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

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
  signal: AbortSignal,
): Promise<string> {
  if (ref !== undefined && isCommit(ref)) return ref;
  const wanted = ref ?? 'HEAD';
  const found = await lsRemote(url, patterns(wanted), authEnv(url, secrets), signal);
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

async function lsRemote(
  url: string,
  refs: readonly string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const stdout = await git(['ls-remote', '--', url, ...refs], env, signal).catch((error: GitFailed) => {
    if (signal.aborted) throw error;
    throw new SourceUnresolved(explain(url, error));
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

/** Never asks, never runs a helper, never speaks another protocol than those that the API accepts. */
function authEnv(url: string, secrets: ReadonlyMap<string, string>): NodeJS.ProcessEnv {
  const { host, origin } = new URL(url);
  const token = secrets.get(`GIT_AUTH_TOKEN.${host}`) ?? secrets.get('GIT_AUTH_TOKEN');
  const basic = token && `basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`;
  const header = secrets.get(`GIT_AUTH_HEADER.${host}`) ?? secrets.get('GIT_AUTH_HEADER') ?? basic;
  return {
    ...process.env,
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: 'true',
    GIT_ALLOW_PROTOCOL: 'https:http:git',
    GIT_CONFIG_COUNT: header ? '1' : '0',
    ...(header && { GIT_CONFIG_KEY_0: `http.${origin}/.extraHeader`, GIT_CONFIG_VALUE_0: `Authorization: ${header}` }),
  };
}
