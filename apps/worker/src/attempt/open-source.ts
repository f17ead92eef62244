import type { Readable } from 'node:stream';
import type { ContextSource, ContextTree, TargetSources } from '@kiln/buildkit';
import { type BuildSpec, targetSpecs, uploadedContexts } from '@kiln/contracts';
import type { BuildRecord } from '@kiln/domain';
import type { GitGuard } from '@kiln/git';
import type { AttemptRef, AttemptStore } from '@kiln/state';
import { type Digest, MerkleSource, type TreeReader } from '@kiln/trees';
import { checkOutCommit } from './check-out-commit.ts';
import { commitDockerfile } from './commit-dockerfile.ts';
import type { GitMirrors } from './git-mirrors.ts';
import { authorizationOf, checkGitHost, resolveCommit } from './resolve-git.ts';
import { submittedTimes } from './submitted-times.ts';

export interface SourceDeps {
  readonly attempts: Pick<AttemptStore, 'pin'>;
  /** Reads the objects of a team's trees. */
  trees(team: string): TreeReader;
  /** Opens a context that an older version stored as a tar by its digest; undefined if it is no longer stored. Rejects if `signal` aborts while it waits. */
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
 * @returns undefined for an upload without a digest, which no version stores
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
    return uploadedTree(deps, spec, digest as Digest, source.times as Digest | undefined);
  }
  const commit = record.commit ?? (await resolveCommit(source, secrets, deps.outgoing, signal));
  if (record.commit === undefined) {
    await deps.persistent(() => deps.attempts.pin(ref, commit));
    await note(`${source.url} ${source.ref ?? 'HEAD'} is ${commit}`);
  }
  // BuildKit resolves the host name again a moment later. Checking last leaves a changed DNS answer as little time as possible.
  await checkGitHost(source.url, deps.outgoing);
  const place = { url: source.url, commit, ...(source.subdir !== undefined && { subdir: source.subdir }) };
  const { dockerfileText: text } = source;
  if (text !== undefined) {
    const instead = 'the Dockerfile is not in the repository';
    return {
      ...{ type: 'git', ...place, hasOwnDockerfile: true, dockerfile: async () => ({ text }) },
      ...(deps.mirrors && { checkOut: async () => ({ instead }) }),
    };
  }
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

/**
 * Opens what the further targets of a build are built from. A git source that is also the build's own is at the same commit; another one is at the commit at which
 * its ref is now.
 * @throws SourceUnresolved @throws the signal's reason
 */
export async function openTargets(
  deps: SourceDeps,
  spec: BuildSpec,
  own: ContextSource,
  secrets: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<Map<string, TargetSources>> {
  const opened = new Map<string, TargetSources>();
  const [first, ...others] = targetSpecs(spec);
  for (const { name = '', spec: target } of others) {
    const contexts = openContexts(deps, target);
    const { source } = target;
    if (source.type === 'upload') {
      if (source.digest === undefined) throw new Error(`the context of the target ${name} has no digest`);
      const tree = uploadedTree(deps, target, source.digest as Digest, source.times as Digest | undefined);
      opened.set(name, { source: tree, contexts });
      continue;
    }
    const isOwn =
      first.spec.source.type === 'git' && first.spec.source.url === source.url && first.spec.source.ref === source.ref;
    const commit =
      isOwn && own.type === 'git' ? own.commit : await resolveCommit(source, secrets, deps.outgoing, signal);
    await checkGitHost(source.url, deps.outgoing);
    const place = { url: source.url, commit, ...(source.subdir !== undefined && { subdir: source.subdir }) };
    const dockerfile = (running: AbortSignal) => commitDockerfile(place, target, secrets, deps.outgoing, running);
    opened.set(name, { source: { type: 'git', ...place, dockerfile }, contexts });
  }
  return opened;
}

/** Opens the directories that a build uploaded as further contexts. */
export function openContexts(
  { trees }: Pick<SourceDeps, 'trees'>,
  { team, buildContexts }: Pick<BuildSpec, 'team' | 'buildContexts'>,
): ContextTree[] {
  return uploadedContexts(buildContexts).map(({ name, digest, times }) => {
    const reader = trees(team);
    return {
      name,
      id: digest,
      open: (spoolFile) => new MerkleSource(digest as Digest, reader, { spoolFile }),
      ...(times !== undefined && { times: submittedTimes(reader, times as Digest) }),
    };
  });
}

function uploadedTree(
  { trees, openContext }: Pick<SourceDeps, 'trees' | 'openContext'>,
  { team, mtimes }: Pick<BuildSpec, 'team' | 'mtimes'>,
  id: Digest,
  times: Digest | undefined,
): ContextSource {
  const reader = trees(team);
  const sent = times === undefined ? undefined : submittedTimes(reader, times);
  return {
    type: 'tree',
    id,
    open: (spoolFile) => new MerkleSource(id, reader, { spoolFile }),
    ...(sent && (mtimes === 'submitted' ? { times: sent } : { directoryTimes: sent })),
    tar: (running) => openContext(id, running),
  };
}
