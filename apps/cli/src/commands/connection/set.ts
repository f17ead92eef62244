import { KilnProblem } from '@kiln/client';
import { type ConnectionRequest, type ConnectionView, FORGES } from '@kiln/contracts';
import { parseDocument } from 'yaml';
import { runCommand } from '../../framework/command.ts';
import { readText } from '../../io/read-file.ts';
import { FlagError, UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { printConnection } from './group.ts';

const SPEC = {
  usage: 'kiln connection set [FLAGS] NAME',
  about:
    'Makes a connection to a forge, or changes it: what no flag names stays as it is. Prints where the forge is to send its webhooks, and on standard output the webhook secret where Kiln made one up, this once. Tokens are read from files, - for stdin, and can’t be read back.',
  operands: [1, 1],
  flags: {
    file: { kind: 'text', short: 'f', value: 'FILE', help: 'All of it as YAML or JSON; other flags go before it' },
    forge: { kind: 'text', value: 'NAME', help: `${FORGES.join(', ')}; gitea is for Forgejo, too` },
    team: { kind: 'text', value: 'NAME', help: 'Whose builds it makes' },
    repo: {
      kind: 'list',
      value: 'PATTERN',
      help: 'A repository that it builds, such as acme/app or acme/**; repeat it',
    },
    site: { kind: 'text', value: 'URL', help: 'The forge’s site (default: the public one; Gitea has none)' },
    api: { kind: 'text', value: 'URL', help: 'The root of its API (default: by --site)' },
    'webhook-secret-file': { kind: 'text', value: 'FILE', help: 'Default: Kiln makes one up' },
    'api-token-file': { kind: 'text', value: 'FILE', help: 'Reports statuses' },
    'no-api-token': { kind: 'bool', help: 'Report no statuses' },
    checks: { kind: 'bool', help: 'GitHub Apps: report check runs instead of statuses' },
    'git-token-file': { kind: 'text', value: 'FILE', help: 'Clones private repositories' },
    'no-git-token': { kind: 'bool', help: 'Clone without credentials' },
    'git-user': { kind: 'text', value: 'NAME', help: 'User that goes with the git token (default: x-access-token)' },
  },
} as const;

export function setCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client, operands }) => {
    const [name = ''] = operands;
    if (flags['api-token-file'] !== undefined && flags['no-api-token']) {
      throw new FlagError('give --api-token-file or --no-api-token, not both');
    }
    if (flags['git-token-file'] !== undefined && flags['no-git-token']) {
      throw new FlagError('give --git-token-file or --no-git-token, not both');
    }
    const secret = async (path: string | undefined) => (path === undefined ? undefined : readSecret(path, io));
    const [webhookSecret, apiToken, gitToken] = [
      await secret(flags['webhook-secret-file']),
      flags['no-api-token'] ? null : await secret(flags['api-token-file']),
      flags['no-git-token'] ? null : await secret(flags['git-token-file']),
    ];
    const file = flags.file === undefined ? undefined : await readFields(flags.file, io);
    const before = file ? {} : await fieldsOf(name, (known) => client.hooks.connection(known));
    const { repo } = flags;
    const request = defined({
      ...before,
      ...file,
      ...defined({ forge: flags.forge, team: flags.team, checks: flags.checks, gitUser: flags['git-user'] }),
      ...moved(flags.site, flags.api),
      ...(repo.length > 0 && { repositories: [{ match: [...repo] }] }),
      ...defined({ webhookSecret, apiToken, gitToken }),
    });
    const missing = [...(request.forge ? [] : ['--forge']), ...(request.team ? [] : ['--team'])];
    if (!request.repositories) missing.push('--repo');
    if (missing.length > 0) throw new FlagError(`${missing.join(' and ')}: needed for a new connection, or a --file`);
    const answer = await client.hooks.putConnection(name, request as unknown as ConnectionRequest);
    print(answer, flags.json === true, io);
    return EXIT.ok;
  });
}

function print(answer: ConnectionView, json: boolean, io: Io): void {
  if (json) {
    io.out.line(JSON.stringify(answer));
    return;
  }
  printConnection(answer, io.err);
  if (answer.webhookSecret === undefined) return;
  io.err.line(
    'kiln: have the forge send pushes, tags and pull requests there as JSON, with this secret; it is not shown again:',
  );
  io.out.line(answer.webhookSecret);
}

/** Another site has another API. */
function moved(url: string | undefined, apiUrl: string | undefined): Record<string, unknown> {
  if (url === undefined) return apiUrl === undefined ? {} : { apiUrl };
  return { url, apiUrl };
}

/** What a connection is like now, but for its secrets; nothing where there is none. */
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
  if (fault) throw new UsageError(`${path}: is no YAML or JSON: ${fault.message.split('\n')[0]}`);
  const value: unknown = document.toJS({ maxAliasCount: 100 });
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new UsageError(`${path}: expected the fields of a connection`);
}

/** The first line: editors end files with one. */
async function readSecret(path: string, io: Io): Promise<string> {
  const secret = (await readText(path, io)).replace(/\r?\n$/, '');
  if (secret === '') throw new UsageError(`${path}: is empty, expected a secret`);
  return secret;
}

/** Without what no flag gave. */
function defined(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
