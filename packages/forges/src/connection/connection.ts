import type { ConnectedRepository, ForgeRepository, RepoSettings } from '@kiln/contracts';
import { REPOSITORY_PLACEHOLDER } from '@kiln/contracts';
import { matchGlobs } from '@kiln/domain';
import type { GithubApp } from '../github/app-token.ts';

/** What of a stored connection decides with which credentials a repository is cloned and reported. */
export interface Connection {
  readonly name: string;
  readonly team: string;
  readonly url: string;
  readonly apiUrl: string;
  readonly gitUser: string;
  readonly repositories: readonly ConnectedRepository[];
  /** Ms since the epoch. */
  readonly updatedAt: number;
  readonly secrets: {
    readonly api?: string;
    readonly git?: string;
    /** Makes tokens where `api` or `git` is missing. */
    readonly app?: GithubApp;
  };
}

/** The settings of a repository; undefined if the connection may not build it. */
export function settingsFor(
  connection: Pick<Connection, 'team' | 'repositories'>,
  { fullName }: Pick<ForgeRepository, 'fullName'>,
): RepoSettings | undefined {
  const entry = connection.repositories.find(({ match }) => matchGlobs(match, fullName).matches);
  if (!entry) return undefined;
  const { match: _, cloneUrl, ...settings } = entry;
  return {
    ...settings,
    team: connection.team,
    ...(cloneUrl !== undefined && { cloneUrl: cloneUrl.replaceAll(REPOSITORY_PLACEHOLDER, fullName) }),
  };
}
