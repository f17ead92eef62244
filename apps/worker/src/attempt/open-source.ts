import type { Readable } from 'node:stream';
import type { ContextSource } from '@kiln/buildkit';
import type { BuildSpec } from '@kiln/contracts';
import type { BuildRecord } from '@kiln/domain';
import type { GitGuard } from '@kiln/git';
import type { AttemptRef, AttemptStore } from '@kiln/state';
import { checkOutCommit } from './check-out-commit.ts';
import { commitDockerfile } from './commit-dockerfile.ts';
import type { GitMirrors } from './git-mirrors.ts';
import { authorizationOf, checkGitHost, resolveCommit } from './resolve-git.ts';

export interface SourceDeps {
  readonly attempts: Pick<AttemptStore, 'pin'>;
  /** Opens an uploaded context by its digest; undefined if it is no longer stored. Rejects if `signal` aborts while it waits. */
  openContext(digest: string, signal: AbortSignal): Promise<Readable | undefined>;
  /** Keeps git from reaching addresses of the internal network. */
  readonly outgoing: GitGuard;
  /** This host's mirrors of git remotes. Default: BuildKit checks every commit out itself. */
  readonly mirrors?: Pick<GitMirrors, 'commit'> | undefined;
  /** Repeats a call to the pool until it is accepted or refused. */
  persistent<T>(call: () => Promise<T>): Promise<T>;
}

/**
 * Opens what an attempt builds from. A git source is pinned to a commit once, for all attempts of the build.
 * @returns undefined if the uploaded context is no longer stored
 * @throws SourceUnresolved @throws StaleAttempt @throws the signal's reason
 */
export async function openSource(
  deps: SourceDeps,
  ref: AttemptRef,
  { record, spec }: { record: BuildRecord; spec: BuildSpec },
  secrets: ReadonlyMap<string, string>,
  note: (message: string) => void | Promise<void>,
  signal: AbortSignal,
): Promise<ContextSource | undefined> {
  const { source } = spec;
  if (source.type === 'upload') {
    const { digest } = source;
    if (digest === undefined) return undefined;
    const content = await deps.openContext(digest, signal);
    return content && { type: 'tar', open: async () => content };
  }
  const commit = record.commit ?? (await resolveCommit(source, secrets, deps.outgoing, signal));
  if (record.commit === undefined) {
    await deps.persistent(() => deps.attempts.pin(ref, commit));
    await note(`${source.url} ${source.ref ?? 'HEAD'} is ${commit}`);
  }
  // BuildKit resolves the host name again a moment later. Checking last leaves a changed DNS answer as little time as possible.
  await checkGitHost(source.url, deps.outgoing);
  const place = { url: source.url, commit, ...(source.subdir !== undefined && { subdir: source.subdir }) };
  const dockerfile = (running: AbortSignal) => commitDockerfile(place, spec, secrets, deps.outgoing, running);
  const { mirrors } = deps;
  if (!mirrors) return { type: 'git', ...place, dockerfile };
  const authorization = authorizationOf(source.url, secrets);
  return {
    ...{ type: 'git', ...place, dockerfile },
    checkOut: (domain, running) =>
      checkOutCommit(mirrors, domain, { ...place, authorization, dockerfile: spec.dockerfile }, running),
  };
}
