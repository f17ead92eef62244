import { BUILD_STATES } from '@kiln/domain';
import type { Command } from '../../framework/command.ts';
import type { CommandGroup } from '../../framework/command-group.ts';
import type { FlagSpec, FlagTable } from '../../framework/flags.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { CATALOG, COMMANDS } from '../catalog.ts';
import { type Candidate, type Kind, namesOf } from './candidates.ts';
import { SHELLS } from './scripts.ts';

/** What the operands of a command name. */
const OPERANDS: Readonly<Record<string, Kind>> = {
  ...{ logs: 'builds', why: 'builds', 'why-slow': 'builds', retry: 'builds', open: 'builds', 'builds show': 'builds' },
  cancel: 'unfinished',
  ...{ 'host show': 'hosts', 'host set': 'hosts', 'host cordon': 'hosts', 'host uncordon': 'hosts' },
  ...{ 'host drain': 'hosts', 'host rm': 'hosts' },
  ...{ 'cache ls': 'repos', 'cache du': 'repos', 'cache rm': 'repos', 'cache seed': 'repos' },
  ...{ 'cache-mode ls': 'repos', 'cache-mode set': 'repos' },
  ...{ 'snapshot ls': 'repos', 'snapshot show': 'repos', 'snapshot create': 'repos', 'snapshot export': 'repos' },
  ...{ 'context use': 'contexts', 'context show': 'contexts', 'context rm': 'contexts', logout: 'contexts' },
};
/** What the values of flags name, whatever the command. */
const VALUES: Readonly<Record<string, Kind | readonly string[]>> = {
  ...{ host: 'hosts', repo: 'repos', context: 'contexts' },
  output: ['json', 'yaml', 'wide', 'name'],
  progress: ['auto', 'plain', 'tty', 'quiet', 'rawjson'],
  cache: ['warm', 'registry', 'archive', 'fresh'],
  state: BUILD_STATES,
};
/** Flags whose name has another meaning there. */
const OTHERWISE: ReadonlySet<string> = new Set([
  'up --host',
  'delivery ls --state',
  'hook messages --state',
  'build --output',
  'bake --output',
  'secret set --repo',
  'secret ls --repo',
  'secret rm --repo',
]);

/**
 * Prints what the last of the words after `kiln` may be completed to, a line each: value, tab, description. Prints nothing else, also where the
 * server can't be asked, and always succeeds.
 */
export async function complete(words: readonly string[], io: Io): Promise<number> {
  const partial = words.at(-1) ?? '';
  const found = await candidates(words.slice(0, -1), partial, io).catch(() => []);
  for (const [value, about = ''] of found) {
    if (value.startsWith(partial)) io.out.line(about === '' ? value : `${value}\t${about}`);
  }
  // A connection that is still being tried would keep the process alive.
  io.exitNow(EXIT.ok);
  return EXIT.ok;
}

async function candidates(before: readonly string[], partial: string, io: Io): Promise<readonly Candidate[]> {
  const [name, ...args] = before;
  if (name === undefined || name === 'help') return commandNames(before.slice(1), partial);
  const listed = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!listed) return [];
  const command = await listed.load();
  if (!isGroup(command)) return ofCommand(command.flags ?? {}, { path: name, rest: args, partial, io });
  const [sub, ...rest] = args;
  if (sub === undefined) return summaries(command.commands);
  const found = Object.hasOwn(command.commands, sub) ? command.commands[sub] : undefined;
  return found ? ofCommand(found.flags ?? {}, { path: `${name} ${sub}`, rest, partial, io }) : [];
}

interface Position {
  /** The words of the command, such as `host show`. */
  readonly path: string;
  /** The words between the command and the one to complete. */
  readonly rest: readonly string[];
  readonly partial: string;
  readonly io: Io;
}

async function ofCommand(flags: FlagTable, { path, rest, partial, io }: Position): Promise<readonly Candidate[]> {
  const last = rest.at(-1) ?? '';
  // bash makes words of their own from `--flag=val`.
  const flag = flagNamed(flags, (last === '=' ? rest.at(-2) : last) ?? '');
  if (flag && flag.spec.kind !== 'bool') return valuesOf(path, flag.name, rest, io);
  if (partial.startsWith('-')) {
    return Object.entries(flags).flatMap(([name, { help }]): Candidate[] =>
      help === undefined ? [] : [[`--${name}`, help]],
    );
  }
  if (path === 'completion') return SHELLS.map((shell) => [shell]);
  const kind = Object.hasOwn(OPERANDS, path) ? OPERANDS[path] : undefined;
  return kind === undefined ? [] : namesOf(kind, connectionOf(rest), io);
}

function flagNamed(flags: FlagTable, word: string): { readonly name: string; readonly spec: FlagSpec } | undefined {
  for (const [name, spec] of Object.entries(flags)) {
    if (word === `--${name}` || (spec.short !== undefined && word === `-${spec.short}`)) return { name, spec };
  }
  return undefined;
}

async function valuesOf(path: string, name: string, rest: readonly string[], io: Io): Promise<readonly Candidate[]> {
  const values = OTHERWISE.has(`${path} --${name}`) || !Object.hasOwn(VALUES, name) ? undefined : VALUES[name];
  if (values === undefined) return [];
  return typeof values === 'string' ? namesOf(values, connectionOf(rest), io) : values.map((value) => [value]);
}

/** The flags that choose the server, among the words that were typed. */
function connectionOf(rest: readonly string[]): Record<'url' | 'token' | 'context', string | undefined> {
  const value = (name: string) => {
    const at = rest.lastIndexOf(`--${name}`);
    if (at >= 0) return rest[at + 1] === '=' ? rest[at + 2] : rest[at + 1];
    return rest.findLast((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
  };
  return { url: value('url'), token: value('token'), context: value('context') };
}

async function commandNames(before: readonly string[], partial: string): Promise<readonly Candidate[]> {
  const [name] = before;
  if (name !== undefined) {
    const command = Object.hasOwn(COMMANDS, name) ? await COMMANDS[name]?.load() : undefined;
    return command && isGroup(command) ? summaries(command.commands) : [];
  }
  if (partial.startsWith('-')) return [['--help'], ['--version']];
  return [...CATALOG.flatMap(({ commands }) => summaries(commands)), ['help', 'Show the help of a command']];
}

function isGroup(command: Command | CommandGroup): command is CommandGroup {
  return 'commands' in command;
}

function summaries(commands: Readonly<Record<string, { readonly summary: string }>>): Candidate[] {
  return Object.entries(commands).map(([name, { summary }]) => [name, summary]);
}
