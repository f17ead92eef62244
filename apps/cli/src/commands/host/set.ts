import type { HostChange, HostInfoView } from '@kiln/contracts';
import { runCommand } from '../../framework/command.ts';
import { FlagError, UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { forEachHost, sayHost } from './for-each-host.ts';
import { labelsText, settingsText } from './host-text.ts';

const SPEC = {
  usage: 'kiln host set [FLAGS] NAME…',
  about:
    'Sets slots and labels of hosts. They go before what the worker was started with, at once and over its restarts; ' +
    'a lower number of slots stops nothing that runs.',
  operands: [1, Number.POSITIVE_INFINITY],
  flags: {
    slots: { kind: 'text', value: 'N', help: 'Builds at a time; `default` for as many as the worker was started with' },
    label: { kind: 'list', short: 'l', value: 'KEY=VALUE', help: 'Set a label; KEY- takes it away. May be repeated' },
    reset: { kind: 'bool', help: 'Drop everything set before: what the worker was started with counts again' },
  },
} as const;

const MAX_SLOTS = 1024;

export function setCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, ({ flags, client, operands }) => {
    const { slots, label, reset } = flags;
    if (slots === undefined && label.length === 0 && !reset) {
      throw new FlagError('nothing to set: give --slots, --label or --reset');
    }
    const change: HostChange = {
      ...(reset && { reset }),
      ...(slots !== undefined && { slots: readSlots(slots) }),
      ...(label.length > 0 && { labels: Object.fromEntries(label.map(readLabel)) }),
    };
    return forEachHost(operands, io, async (name) => {
      const host = await client.setHost(name, change);
      sayHost(io, flags.json, host, `${name}: ${describe(host)}`);
      return EXIT.ok;
    });
  });
}

function readSlots(text: string): number | null {
  if (text === 'default') return null;
  const slots = Number(text);
  if (/^\d+$/.test(text) && slots >= 1 && slots <= MAX_SLOTS) return slots;
  throw new UsageError(`--slots ${text}: expected a whole number from 1 to ${MAX_SLOTS}, or default`);
}

function readLabel(text: string): [string, string | null] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  if (at < 0 && text.length > 1 && text.endsWith('-')) return [text.slice(0, -1), null];
  throw new UsageError(`--label ${text}: expected KEY=VALUE to set it, or KEY- to take it away`);
}

function describe(host: HostInfoView): string {
  const { slots, usedSlots } = host;
  const over = usedSlots > slots ? ` (${usedSlots} taken: nothing new until there is room)` : '';
  const set = settingsText(host);
  return `${slots} ${slots === 1 ? 'slot' : 'slots'}${over}, labels ${labelsText(host) || 'none'}; set: ${set || 'nothing'}`;
}
