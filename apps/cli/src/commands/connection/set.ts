import { KilnProblem } from '@kiln/client';
import { type ConnectionRequest, type ConnectionView, FORGES } from '@kiln/contracts';
import { parseDocument } from 'yaml';
import { FlagError, UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { readText } from '../../io/read-file.ts';
import { clientCommand } from '../../server/client-command.ts';
import { connectionText } from './connection-text.ts';
import { readSecret } from './read-secret.ts';

const NOT_BOTH = [
  ['api-token-file', 'no-api-token'],
  ['git-token-file', 'no-git-token'],
  ['app-id', 'no-app'],
] as const;

export const setCommand = clientCommand(
  {
    name: 'connection set',
    synopsis: 'NAME',
    summary: 'Create or change a connection',
    description:
      'Create or change a connection to a forge. When changing one, everything that no flag names stays as it is.\n\n' +
      "Prints the URL for the webhooks of the forge. If Kiln generates the webhook secret, it is printed to standard output, and can't be shown again. " +
      "Tokens are read from files (- is standard input) and can't be read back.",
    examples: [
      'kiln connection set acme --forge github --team web --repo "acme/**"',
      'kiln connection set acme --api-token-file token.txt',
    ],
    operands: [1, 1],
    flags: {
      file: {
        kind: 'text',
        short: 'f',
        value: 'FILE',
        help: 'All properties as YAML or JSON; other flags override them; - is standard input',
      },
      forge: { kind: 'text', value: 'NAME', help: `${FORGES.join(', ')}; gitea includes Forgejo` },
      team: { kind: 'text', value: 'NAME', help: 'Team that the builds belong to' },
      repo: {
        kind: 'list',
        value: 'PATTERN',
        help: 'Repositories to build, such as acme/app or acme/** (repeatable)',
      },
      site: { kind: 'text', value: 'URL', help: "The forge's site (default: the public one; required for gitea)" },
      api: { kind: 'text', value: 'URL', help: "Root of the forge's API (default: derived from --site)" },
      'webhook-secret-file': { kind: 'text', value: 'FILE', help: 'Webhook secret (default: generated)' },
      'api-token-file': { kind: 'text', value: 'FILE', help: 'Token for reporting statuses' },
      'no-api-token': { kind: 'bool', help: 'Remove the API token; no statuses are reported' },
      'app-id': {
        kind: 'text',
        value: 'ID',
        help: 'GitHub App that reports statuses and clones; needs --app-key-file',
      },
      'app-key-file': { kind: 'text', value: 'FILE', help: 'Private key of the GitHub App, PEM' },
      'no-app': { kind: 'bool', help: 'Remove the GitHub App' },
      checks: { kind: 'bool', help: 'Report check runs instead of statuses (GitHub Apps only)' },
      'git-token-file': { kind: 'text', value: 'FILE', help: 'Token for cloning private repositories' },
      'no-git-token': { kind: 'bool', help: 'Remove the git token; clone without credentials' },
      'git-user': { kind: 'text', value: 'NAME', help: 'User for the git token (default: x-access-token)' },
    },
  },
  async ({ flags, client, operands, io }) => {
    const [name = ''] = operands;
    for (const [token, none] of NOT_BOTH) {
      if (flags[token] !== undefined && flags[none])
        throw new FlagError(`--${token} cannot be combined with --${none}`);
    }
    if ((flags['app-id'] === undefined) !== (flags['app-key-file'] === undefined)) {
      throw new FlagError('--app-id and --app-key-file are required together');
    }
    const secret = async (path: string | undefined) => (path === undefined ? undefined : readSecret(path, io));
    const [webhookSecret, apiToken, gitToken] = [
      await secret(flags['webhook-secret-file']),
      flags['no-api-token'] ? null : await secret(flags['api-token-file']),
      flags['no-git-token'] ? null : await secret(flags['git-token-file']),
    ];
    const privateKey = await secret(flags['app-key-file']);
    const githubApp = flags['no-app'] ? null : privateKey && { appId: flags['app-id'], privateKey };
    const file = flags.file === undefined ? undefined : await readFields(flags.file, io);
    const before = file ? {} : await fieldsOf(name, (known) => client.hooks.connection(known));
    const { repo } = flags;
    const request = defined({
      ...before,
      ...file,
      ...defined({ forge: flags.forge, team: flags.team, checks: flags.checks, gitUser: flags['git-user'] }),
      ...moved(flags.site, flags.api),
      ...(repo.length > 0 && { repositories: [{ match: [...repo] }] }),
      ...defined({ webhookSecret, apiToken, gitToken, githubApp }),
    });
    const missing = [...(request.forge ? [] : ['--forge']), ...(request.team ? [] : ['--team'])];
    if (!request.repositories) missing.push('--repo');
    if (missing.length > 0) {
      throw new FlagError(
        `${missing.join(', ')} ${missing.length > 1 ? 'are' : 'is'} required for a new connection without --file`,
      );
    }
    const answer = await client.hooks.putConnection(name, request as unknown as ConnectionRequest);
    print(answer, flags.json === true, io);
    return EXIT.ok;
  },
);

function print(answer: ConnectionView, json: boolean, io: Io): void {
  if (json) {
    io.out.line(JSON.stringify(answer));
    return;
  }
  io.err.write(connectionText(answer));
  if (answer.webhookSecret === undefined) return;
  io.err.line(
    'kiln: in the forge, add a webhook with this URL for pushes, tags and pull requests, as JSON, with this secret; it is not shown again:',
  );
  io.out.line(answer.webhookSecret);
}

/** The fields for `--site` and `--api`. A new site resets the API's URL. */
function moved(url: string | undefined, apiUrl: string | undefined): Record<string, unknown> {
  if (url === undefined) return apiUrl === undefined ? {} : { apiUrl };
  return { url, apiUrl };
}

/** Returns the current fields of a connection, except its secrets, or no fields if it doesn't exist. */
async function fieldsOf(
  name: string,
  read: (name: string) => Promise<ConnectionView>,
): Promise<Record<string, unknown>> {
  try {
    const { forge, team, url, apiUrl, repositories, checks, gitUser } = await read(name);
    return { forge, team, url, apiUrl, repositories, checks, gitUser };
  } catch (error) {
    if (error instanceof KilnProblem && error.problem.code === 'connection_not_found') return {};
    throw error;
  }
}

async function readFields(path: string, io: Io): Promise<Record<string, unknown>> {
  const document = parseDocument(await readText(path, io));
  const [fault] = document.errors;
  if (fault) throw new UsageError(`${path} is not valid YAML or JSON: ${fault.message.split('\n')[0]}`);
  const value: unknown = document.toJS({ maxAliasCount: 100 });
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new UsageError(`${path}: expected a mapping with the properties of a connection`);
}

/** Drops undefined fields. */
function defined(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
