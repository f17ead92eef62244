import { type BuildView, branchOf } from '@kiln/contracts';

/** A repo's name without what most repos of a team have in common: `git.example/team/app` is `team/app`. */
export function shortRepo(repo: string): string {
  const parts = repo.split('/');
  return parts.length > 2 && parts[0]?.includes('.') ? parts.slice(1).join('/') : repo;
}

/** What is built: the branch and commit of a git source; nothing for an upload. */
export function sourceWords({ request: { source }, commit }: BuildView): { branch?: string; commit?: string } {
  if (source.type !== 'git') return {};
  return {
    ...(source.ref !== undefined && source.ref !== commit && { branch: branchOf(source.ref) }),
    ...(commit !== undefined && { commit: commit.slice(0, 8) }),
  };
}

const CREATORS = { credential: 'by', person: 'by', webhook: 'webhook of', schedule: 'schedule' } as const;

/** Who or what asked for a build. */
export function triggerWords({ createdBy, retryOf }: BuildView): string {
  const by = createdBy ? `${CREATORS[createdBy.kind]} ${createdBy.name}` : 'unknown';
  return retryOf === undefined ? by : `retry ${by}`;
}

/** Why a build waits, in words. */
export function waitingWords({ waiting }: BuildView): string | undefined {
  if (!waiting) return undefined;
  const reason = waiting.reason.replaceAll('_', ' ');
  if (waiting.host !== undefined) return `waits for ${waiting.host}: ${reason}`;
  return waiting.limit === undefined ? reason : `${reason} (${waiting.limit})`;
}

export function isActive({ state }: Pick<BuildView, 'state'>): boolean {
  return state === 'queued' || state === 'assigned' || state === 'running';
}
