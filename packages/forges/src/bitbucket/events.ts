import type { ChangedPaths, ForgeEvent, ForgeRepository } from '@kiln/contracts';
import type { z } from 'zod';
import { changedAt } from '../webhook/fields.ts';
import { finish } from '../webhook/finish.ts';
import { type Headers, header } from '../webhook/headers.ts';
import { ignored, unhandled } from '../webhook/ignored.ts';
import { pick } from '../webhook/payload.ts';
import { type Actor, type Change, pullRequest, push, type Repository } from './payloads.ts';

const ACTIONS = {
  'pullrequest:created': 'opened',
  'pullrequest:updated': 'synchronised',
  'pullrequest:fulfilled': 'closed',
  'pullrequest:rejected': 'closed',
} as const;

const NO_PATHS = 'Bitbucket doesn’t list changed paths';

/** Returns one event for each ref that a push moved. @throws BadPayload */
export function bitbucketEvents(headers: Headers, json: unknown): readonly [ForgeEvent, ...ForgeEvent[]] {
  const key = header(headers, 'x-event-key');
  if (key === 'repo:push') {
    const payload = pick(push, json);
    const [first, ...rest] = payload.push.changes.map((change) => changed(change, payload));
    return first ? [first, ...rest] : [ignored('bitbucket', 'the push changes neither a branch nor a tag')];
  }
  if (key !== undefined && Object.hasOwn(ACTIONS, key)) {
    return [pullRequestEvent(key as keyof typeof ACTIONS, pick(pullRequest, json))];
  }
  return [ignored('bitbucket', unhandled(key, 'X-Event-Key'))];
}

function changed(change: Change, { actor, repository }: z.output<typeof push>): ForgeEvent {
  const ref = change.new ?? change.old;
  const deleted = change.new === null;
  const base = { ...by(actor), repository: repositoryOf(repository) };
  const after = change.new?.target.hash ?? null;
  if (ref?.type === 'tag' || ref?.type === 'annotated_tag') {
    return finish({ type: 'tag', ...base, tag: ref.name, commit: after, deleted });
  }
  if (ref?.type !== 'branch') return ignored('bitbucket', 'push to something that is neither a branch nor a tag');
  const before = change.old?.target.hash ?? null;
  return finish({ type: 'push', ...base, branch: ref.name, before, after, deleted, changed: pathsOf(deleted) });
}

function pathsOf(deleted: boolean): ChangedPaths {
  return deleted ? { complete: true, paths: [] } : { complete: false, paths: [], reason: NO_PATHS };
}

function pullRequestEvent(key: keyof typeof ACTIONS, payload: z.output<typeof pullRequest>): ForgeEvent {
  const { id, title, draft, author, source, destination, updated_on } = payload.pullrequest;
  const writer = nameOf(author);
  if (!source.commit) return ignored('bitbucket', 'the branch of the pull request is gone');
  return finish({
    type: 'pull_request',
    ...by(payload.actor),
    repository: repositoryOf(payload.repository),
    action: ACTIONS[key],
    number: id,
    title,
    ...(writer !== undefined && { author: writer }),
    draft: draft ?? false,
    merged: key === 'pullrequest:fulfilled',
    ...changedAt(updated_on),
    fork: source.repository?.uuid !== destination.repository.uuid,
    head: {
      repository: source.repository && repositoryOf(source.repository),
      branch: source.branch.name,
      commit: source.commit.hash,
    },
    base: { branch: destination.branch.name },
    changed: { complete: false, paths: [], reason: NO_PATHS },
  });
}

function by(actor: Actor) {
  const name = nameOf(actor);
  return { forge: 'bitbucket' as const, ...(name !== undefined && { actor: name }) };
}

function nameOf(actor: Actor): string | undefined {
  return actor?.nickname ?? actor?.display_name ?? undefined;
}

/** The payload has no clone URL; Bitbucket's is the URL of the web page with `.git` appended. */
function repositoryOf({ full_name, links }: Repository): ForgeRepository {
  return { fullName: full_name, cloneUrl: `${links.html.href}.git`, webUrl: links.html.href };
}
