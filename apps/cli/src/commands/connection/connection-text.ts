import type { ConnectionView } from '@kiln/contracts';
import { fieldLines } from '../../io/table.ts';
import { overlapText } from '../../server/secret-overlap.ts';

/** Describes a connection, a line for each property. */
export function connectionText(connection: ConnectionView): string {
  const { name, forge, team, url, apiUrl, checks, gitUser, hasApiToken, hasGitToken, hookUrl } = connection;
  const { githubApp, previousSecretExpiresAt } = connection;
  const hasStatuses = hasApiToken || githubApp !== undefined;
  const cloning = githubApp ? 'as the GitHub App' : 'without credentials';
  return fieldLines([
    ['name', `${name} (${forge})`],
    ['team', team],
    ['site', url],
    ['API', apiUrl],
    ['webhook', hookUrl],
    ...(previousSecretExpiresAt === undefined ? [] : [['secret', overlapText(previousSecretExpiresAt)] as const]),
    ...(githubApp ? [['app', `GitHub App ${githubApp.appId}`] as const] : []),
    ['statuses', hasStatuses ? (checks ? 'as check runs' : 'as commit statuses') : 'none, as there is no API token'],
    ['clones', hasGitToken ? `with a token, as user ${gitUser}` : cloning],
    ...connection.repositories.map(
      ({ match, ...settings }) => ['builds', `${match.join(' ')}${settingsText(settings)}`] as const,
    ),
  ]);
}

function settingsText({ config, ...settings }: Omit<ConnectionView['repositories'][number], 'match'>): string {
  const set = Object.entries(settings).filter(([key, value]) => DEFAULTS[key] !== value);
  const texts = set.map(([key, value]) => `${key} ${Array.isArray(value) ? value.join(' ') : value}`);
  if (config) texts.push(`config with ${config.images.length} image${config.images.length === 1 ? '' : 's'}`);
  return texts.length === 0 ? '' : ` (${texts.join(', ')})`;
}

const DEFAULTS: Readonly<Record<string, unknown>> = { configPath: '.kiln.yaml', forks: 'untrusted' };
