import type { ConnectionView } from '@kiln/contracts';
import { runCommand } from '../../framework/command.ts';
import { type CommandGroup, runGroup } from '../../framework/command-group.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Channel, Io } from '../../io/output.ts';
import { type Column, renderTable } from '../../io/table.ts';
import { setCommand } from './set.ts';

const GROUP: CommandGroup = {
  name: 'connection',
  about: 'Connections to forges: whose webhooks make builds, of which repositories. Needs the scope admin.',
  operands: '…',
  commands: {
    set: { about: 'Make one, or change it', run: setCommand },
    ls: { about: 'List them', run: listCommand },
    show: { about: 'Show one, without its secrets', run: showCommand },
    rm: { about: 'Remove some: their webhooks are refused from then on', run: removeCommand },
  },
  elsewhere: {
    create: 'kiln connection set does that',
    list: 'kiln connection ls lists them',
    remove: 'kiln connection rm does that',
    delete: 'kiln connection rm does that',
  },
};

/** `kiln connection …`. */
export function connectionCommand(args: readonly string[], io: Io): Promise<number> {
  return runGroup(GROUP, args, io);
}

const COLUMNS: Column<ConnectionView>[] = [
  { title: 'CONNECTION', text: ({ name }) => name },
  { title: 'FORGE', text: ({ forge }) => forge },
  { title: 'TEAM', text: ({ team }) => team, min: 4 },
  { title: 'REPOSITORIES', text: ({ repositories }) => repositories.flatMap(({ match }) => match).join(' '), min: 12 },
  { title: 'STATUSES', text: ({ hasApiToken, checks }) => (hasApiToken ? (checks ? 'checks' : 'yes') : 'no') },
  { title: 'WEBHOOK URL', text: ({ hookUrl }) => hookUrl, min: 20, dispensable: 1 },
];

function listCommand(args: readonly string[], io: Io): Promise<number> {
  const spec = {
    usage: 'kiln connection ls [FLAGS]',
    about: 'Lists the connections to forges.',
    operands: [0, 0],
    flags: {},
  } as const;
  return runCommand(spec, args, io, async ({ flags, client }) => {
    const connections = await client.hooks.connections();
    if (flags.json) io.out.line(JSON.stringify({ connections }, null, 2));
    else if (connections.length > 0) io.out.write(renderTable(COLUMNS, connections, io.out));
    else io.err.line('kiln: no connections; kiln connection set makes one');
    return EXIT.ok;
  });
}

function showCommand(args: readonly string[], io: Io): Promise<number> {
  const spec = {
    usage: 'kiln connection show [FLAGS] NAME',
    about: 'Shows a connection. Its secrets can’t be read back.',
    operands: [1, 1],
    flags: {},
  } as const;
  return runCommand(spec, args, io, async ({ flags, client, operands }) => {
    const connection = await client.hooks.connection(operands[0] ?? '');
    if (flags.json) io.out.line(JSON.stringify(connection, null, 2));
    else printConnection(connection, io.out);
    return EXIT.ok;
  });
}

function removeCommand(args: readonly string[], io: Io): Promise<number> {
  const spec = {
    usage: 'kiln connection rm [FLAGS] NAME…',
    about: 'Removes connections: their webhooks are refused from then on, and no statuses are reported any more.',
    operands: [1, Number.POSITIVE_INFINITY],
    flags: {},
  } as const;
  return runCommand(spec, args, io, async ({ flags, client, operands }) => {
    for (const name of operands) {
      const removed = await client.hooks.removeConnection(name);
      io.out.line(flags.json ? JSON.stringify(removed) : `${name} removed`);
    }
    return EXIT.ok;
  });
}

/** One line for each thing that a person would look for. */
export function printConnection(connection: ConnectionView, out: Channel): void {
  const { name, forge, team, url, apiUrl, checks, gitUser, hasApiToken, hasGitToken, hookUrl } = connection;
  const rows = [
    ['name', `${name} (${forge})`],
    ['team', team],
    ['site', url],
    ['API', apiUrl],
    ['webhook', hookUrl],
    ['statuses', hasApiToken ? (checks ? 'as check runs' : 'as commit statuses') : 'none: it has no apiToken'],
    ['clones', hasGitToken ? `with a token, as ${gitUser}` : 'without credentials'],
    ...connection.repositories.map(({ match, ...settings }) => [
      'builds',
      `${match.join(' ')}${settingsText(settings)}`,
    ]),
  ];
  for (const [label = '', text] of rows) out.line(`${label.padEnd(9)} ${text}`);
}

function settingsText({ config, ...settings }: Omit<ConnectionView['repositories'][number], 'match'>): string {
  const set = Object.entries(settings).filter(([key, value]) => DEFAULTS[key] !== value);
  const texts = set.map(([key, value]) => `${key} ${Array.isArray(value) ? value.join(' ') : value}`);
  if (config) texts.push(`config with ${config.images.length} image${config.images.length === 1 ? '' : 's'}`);
  return texts.length === 0 ? '' : ` (${texts.join(', ')})`;
}

const DEFAULTS: Readonly<Record<string, unknown>> = { configPath: '.kiln.yaml', forks: 'untrusted' };
