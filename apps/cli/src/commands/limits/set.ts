import type { LimitChange } from '@kiln/contracts';
import { parseBytes } from '@kiln/domain';
import { badFlag } from '../../framework/flag-values.ts';
import { FlagError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { clientCommand } from '../../server/client-command.ts';
import { limitRows } from './limit-text.ts';

const RESET: LimitChange = {
  concurrentBuilds: null,
  queuedBuilds: null,
  requestsPerMinute: null,
  logBytes: null,
  contextBytes: null,
  artifactBytes: null,
  storedBytes: null,
  registries: null,
  gitHosts: null,
};

export const setCommand = clientCommand(
  {
    name: 'limit set',
    synopsis: 'TEAM',
    summary: 'Set limits of a team or a token',
    description:
      'Set limits of a team or, with --of-token, of a token. They apply immediately. Numbers and sizes may also be unlimited, or default to restore the default. ' +
      'Lists replace the previous ones; any allows everything, none nothing, and default restores the default.\n\nNeeds the scope admin.',
    examples: [
      'kiln limit set web --running 20 --stored 100GB',
      'kiln limit set web --registry "registry.example.org/web/**" --git-host any',
    ],
    operands: [1, 1],
    flags: {
      'of-token': { kind: 'bool', help: 'TEAM is the id of a token' },
      running: { kind: 'text', value: 'N', help: 'Running builds' },
      queued: { kind: 'text', value: 'N', help: 'Queued builds' },
      requests: { kind: 'text', value: 'N', help: 'Requests per minute' },
      log: { kind: 'text', value: 'SIZE', help: 'Log of a build, such as 64MB' },
      context: { kind: 'text', value: 'SIZE', help: 'Uploaded context of a build, such as 2GB' },
      artifact: { kind: 'text', value: 'SIZE', help: 'Artifact of a build, such as 2GB' },
      stored: { kind: 'text', value: 'SIZE', help: 'All contexts, logs and artifacts of a team, such as 100GB' },
      registry: {
        kind: 'list',
        value: 'HOST[/PATH]',
        help: 'Registries to push to, such as r.example.org/web/** (repeatable)',
      },
      'git-host': {
        kind: 'list',
        value: 'HOST[/PATH]',
        help: 'Git servers whose repositories may be built (repeatable)',
      },
      reset: { kind: 'bool', help: 'Restore all defaults' },
    },
  },
  async ({ flags, client, operands, io }) => {
    const change: LimitChange = {
      ...(flags.reset && RESET),
      ...limit('concurrentBuilds', 'running', flags.running, count),
      ...limit('queuedBuilds', 'queued', flags.queued, count),
      ...limit('requestsPerMinute', 'requests', flags.requests, count),
      ...limit('logBytes', 'log', flags.log, size),
      ...limit('contextBytes', 'context', flags.context, size),
      ...limit('artifactBytes', 'artifact', flags.artifact, size),
      ...limit('storedBytes', 'stored', flags.stored, size),
      ...(flags.registry.length > 0 && { registries: targets('registry', flags.registry) }),
      ...(flags['git-host'].length > 0 && { gitHosts: targets('git-host', flags['git-host']) }),
    };
    if (Object.keys(change).length === 0) throw new FlagError('nothing to set; use a flag for a limit, or --reset');
    const view = await client.setLimits(flags['of-token'] ? 'token' : 'team', operands[0] ?? '', change);
    io.out.line(flags.json ? JSON.stringify(view, null, 2) : limitRows(view));
    return EXIT.ok;
  },
);

interface Unit {
  readonly expected: string;
  readonly read: (text: string) => number | undefined;
}

const count: Unit = { expected: 'a whole number', read: (text) => (/^\d{1,9}$/.test(text) ? Number(text) : undefined) };

const size: Unit = { expected: 'a size such as 64MB or 2GB', read: (text) => parseBytes(text, 1000) };

function limit(field: keyof LimitChange, flag: string, text: string | undefined, unit: Unit): LimitChange {
  if (text === undefined) return {};
  if (text === 'default') return { [field]: null };
  if (text === 'unlimited') return { [field]: 'unlimited' };
  const number = unit.read(text);
  if (number !== undefined) return { [field]: number };
  throw badFlag(`--${flag}`, text, `${unit.expected}, unlimited or default`);
}

function targets(flag: string, texts: readonly string[]): string[] | null {
  const [word] = texts;
  const isWord = word === 'any' || word === 'none' || word === 'default';
  if (!isWord) return [...texts];
  if (texts.length > 1) throw new FlagError(`--${flag} ${word} cannot be combined with other values`);
  return word === 'any' ? ['*'] : word === 'none' ? [] : null;
}
