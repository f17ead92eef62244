import type { TreeStore } from '@kiln/blobs';
import type { ChangedPaths, EventOutcome, ForgeEvent, RepoSettings } from '@kiln/contracts';
import {
  type ConnectionTokens,
  explain,
  foreignSource,
  type ImageVerdict,
  occasionOf,
  parseConfig,
  settingsFor,
} from '@kiln/forges';
import type { GitGuard, GitLimits, GitSource } from '@kiln/git';
import type { MeteredBlobs, StoredConnection, StoredDelivery } from '@kiln/state';
import type { StagingLimits } from '../../contexts/stage-context.ts';
import { ApiProblem } from '../../http/api-problem.ts';
import type { GitHostCheck } from '../../limits/git-host-check.ts';
import type { Builds } from '../../ports.ts';
import type { HookDeps } from '../ports.ts';
import { movedOn } from './branch-tip.ts';
import { CommitReader, type KnownConfigs } from './commit-reader.ts';
import { ForkContexts } from './fork-contexts.ts';
import { advance, isAboutPullRequest, lateness, type RepositoryEvent, repeatOf, subjectOf } from './order.ts';
import { asksForPaths } from './repository-config.ts';
import { type ImageContext, type ImageOutcome, type SubmitImageDeps, submitImage } from './submit-image.ts';

export interface EventDeps extends SubmitImageDeps, Pick<HookDeps, 'subjects'> {
  readonly builds: Builds;
  readonly git: GitLimits & { readonly guard: GitGuard };
  readonly known: KnownConfigs;
  readonly checkGitHost: GitHostCheck;
  readonly tokens: ConnectionTokens;
  readonly blobs: MeteredBlobs;
  readonly trees: TreeStore;
  readonly contextLimits: StagingLimits;
}

export interface EventAt {
  readonly connection: StoredConnection;
  readonly delivery: StoredDelivery;
  readonly index: number;
  /** The delivery with the same bytes that was processed before, if any. */
  readonly original: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Processes an event of a webhook: submits builds, or cancels them.
 * @throws GitFailed @throws InvalidConfig @throws NoInstallationToken @throws the stores' errors, which may pass
 */
export async function workOnEvent(given: ForgeEvent, at: EventAt, parts: EventDeps): Promise<EventOutcome> {
  const { connection, delivery } = at;
  const nothing = (none: string, more: Partial<EventOutcome> = {}): EventOutcome => ({
    ...{ event: summaryOf(given), none, images: [], canceled: [] },
    ...more,
  });
  if (!('repository' in given)) return nothing(given.type === 'ignored' ? given.reason : 'ping: the connection works');
  const repository = given.repository.fullName;
  const settings = settingsFor(connection, given.repository);
  if (!settings)
    return nothing(`connection ${connection.name} doesn’t cover the repository ${repository}`, { repository });
  if (given.type === 'pull_request' && given.action === 'closed') return cancelBuilds(given, at, parts);
  const event = await asTrustedAsBefore(given, parts);
  const occasion = occasionOf(event, settings);
  if ('none' in occasion) return nothing(occasion.none, { repository });
  const foreign = foreignSource(occasion.source.url, connection, settings);
  if (foreign !== undefined) return nothing(foreign, { repository });
  const unreachable = await refusalOf(parts.checkGitHost(occasion.source.url));
  if (unreachable !== undefined) return nothing(unreachable, { repository });

  const credentials = await parts.tokens.git(connection, repository, at.signal);
  const source = { ...occasion.source, credentials };
  const { known, git } = parts;
  await using reader = new CommitReader(source, { connection: connection.name, known, git, signal: at.signal });
  const { images, commit, none } = await planned(event, reader, settings, delivery.receivedAt);
  const forkContexts = occasion.fork ? await forkContextsOf({ ...source, ref: commit }, at, parts) : undefined;
  const subjectName = subjectOf(connection.name, event);
  const pullRequest = isAboutPullRequest(event) ? parts.subjects.idOf(subjectName) : undefined;
  const context: ImageContext = { ...at, occasion, repository, commit, credentials, forkContexts, pullRequest };
  const summary = { event: summaryOf(event), repository, commit, ...(none !== undefined && { none }) };
  const followsTip = images.some((verdict) => verdict.outcome === 'build' && !verdict.everyPush);
  const behind = event.type === 'push' && followsTip ? await movedOn(event, source, git.guard, at.signal) : undefined;
  return parts.subjects.alone(subjectName, at.signal, async (subject) => {
    const late = lateness(subject, event, delivery.id);
    const repeat = repeatOf(subject, event, at.original);
    const outcomes: ImageOutcome[] = [];
    for (const verdict of images) {
      const built = builtBefore(verdict.image, at);
      outcomes.push(
        built ??
          (verdict.outcome === 'build'
            ? (outOfOrder(verdict, { repeat, behind, late, closed: subject.closed }) ??
              (await submitImage(verdict, context, parts)))
            : skipped(verdict)),
      );
    }
    const builds = outcomes.flatMap(({ build }) => build ?? []);
    const value: EventOutcome = { ...summary, images: outcomes, canceled: [] };
    const isLate = (late ?? repeat ?? behind) !== undefined;
    return { subject: advance(subject, event, { delivery: delivery.id, builds, isLate }), value };
  });
}

function forkContextsOf(
  source: GitSource,
  { signal }: EventAt,
  { blobs, trees, git, contextLimits: limits }: EventDeps,
): Promise<ForkContexts | undefined> {
  return ForkContexts.ifPrivate(source, { blobs, trees, git, limits, signal });
}

/** Returns why a git server may not be contacted, or undefined if it may. */
async function refusalOf(checking: Promise<void>): Promise<string | undefined> {
  try {
    await checking;
    return undefined;
  } catch (error) {
    if (error instanceof ApiProblem) return error.message;
    throw error;
  }
}

async function planned(event: RepositoryEvent, reader: CommitReader, settings: RepoSettings, nowMs: number) {
  const text = await reader.config(settings.configPath);
  const config = text === null ? null : parseConfig(text);
  const chosen = config ?? settings.config;
  const whole = chosen && asksForPaths(chosen) ? await withPaths(event, reader) : event;
  return { ...explain(whole, config, settings, nowMs), commit: await reader.commit() };
}

/** Completes the changed paths of an event with git, if its payload leaves some out. */
async function withPaths(event: RepositoryEvent, reader: CommitReader): Promise<RepositoryEvent> {
  if (event.type === 'push' && !event.changed.complete && event.before !== null) {
    const paths = await (await reader.files()).changedSince(event.before);
    return { ...event, changed: asChanged(paths, event.changed) };
  }
  if (event.type === 'pull_request' && !event.changed.complete) {
    const paths = await (await reader.files()).changedOn(event.base.branch);
    return { ...event, changed: asChanged(paths, event.changed) };
  }
  return event;
}

function asChanged(paths: readonly string[] | undefined, before: ChangedPaths): ChangedPaths {
  return paths ? { complete: true, paths: [...paths] } : before;
}

/** Keeps the re-run of an untrusted check untrusted: its event doesn't tell whether the commit comes from a fork. */
async function asTrustedAsBefore(event: RepositoryEvent, { builds }: EventDeps): Promise<RepositoryEvent> {
  if (event.type !== 'rerun' || event.check?.externalId === undefined) return event;
  const before = await builds.get(event.check.externalId);
  return before?.record.trust === 'untrusted' ? { ...event, branch: null, pullRequests: [] } : event;
}

/** Cancels the builds of a closed pull request, and their retries, regardless of its configuration. */
async function cancelBuilds(
  event: Extract<RepositoryEvent, { type: 'pull_request' }>,
  { connection, delivery, signal }: EventAt,
  { subjects, builds }: EventDeps,
): Promise<EventOutcome> {
  const repository = event.repository.fullName;
  const summary = { event: summaryOf(event), repository, images: [] };
  const name = subjectOf(connection.name, event);
  return subjects.alone(name, signal, async (subject) => {
    const late = lateness(subject, event, delivery.id);
    if (late !== undefined) return { subject, value: { ...summary, none: late, canceled: [] } };
    const canceled: string[] = [];
    for (const id of [...subject.builds, ...(await subjects.retries(subjects.idOf(name)))]) {
      const answer = await builds.cancel(id);
      if (answer && answer.outcome !== 'already_finished') canceled.push(id);
    }
    const after = advance(subject, event, { delivery: delivery.id, builds: [], isLate: false });
    const none = canceled.length > 0 ? undefined : 'the pull request was closed, and none of its builds was running';
    return { subject: after, value: { ...summary, ...(none && { none }), canceled } };
  });
}

/** The outcome of an image that an earlier round has built: a redelivery doesn't build it again. */
function builtBefore(image: string, { delivery, index }: EventAt): ImageOutcome | undefined {
  return delivery.earlier?.[index]?.images.find((one) => one.image === image && one.build !== undefined);
}

interface Order {
  /** By `repeatOf`. */
  readonly repeat: string | undefined;
  /** By `movedOn`. */
  readonly behind: string | undefined;
  /** By `lateness`. */
  readonly late: string | undefined;
  /** The pull request was closed. */
  readonly closed: boolean | undefined;
}

/** Skips an image because of other events. After a late event, only images that supersede no newer build are built. */
function outOfOrder(
  { image, request, notes, everyPush }: Extract<ImageVerdict, { outcome: 'build' }>,
  { repeat, behind, late, closed = false }: Order,
): ImageOutcome | undefined {
  const why =
    repeat ?? (request.supersede !== undefined || closed ? late : undefined) ?? (everyPush ? undefined : behind);
  return why === undefined ? undefined : { image, outcome: 'skipped', filter: 'order', why, notes: [...notes] };
}

function skipped(verdict: Exclude<ImageVerdict, { outcome: 'build' }>): ImageOutcome {
  const filter = verdict.outcome === 'skip' ? { filter: verdict.filter } : {};
  return { image: verdict.image, outcome: 'skipped', why: verdict.why, ...filter, notes: [] };
}

/** Describes an event in one line. */
function summaryOf(event: ForgeEvent): string {
  return explain(event, null, EMPTY_SETTINGS, 0).event;
}

const EMPTY_SETTINGS: RepoSettings = { team: 'default', configPath: '.kiln.yaml', forks: 'untrusted' };
