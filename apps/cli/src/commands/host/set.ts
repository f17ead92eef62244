import type { HostChange, HostInfoView } from '@kiln/contracts';
import { badFlag, wholeNumber } from '../../framework/flag-values.ts';
import { FlagError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { clientCommand } from '../../server/client-command.ts';
import { forEachHost, printHost } from './for-each-host.ts';
import { labelsText, settingsText } from './host-text.ts';

const MAX_SLOTS = 1024;

export const setCommand = clientCommand(
  {
    name: 'host set',
    synopsis: 'NAME...',
    summary: 'Set the slots and labels of hosts',
    description:
      'Set the slots and labels of hosts. They override what the worker was started with, immediately and across its restarts. ' +
      'Lowering the number of slots does not stop running builds.',
    examples: [
      'kiln host set --slots 4 --label disk=nvme build-01',
      'kiln host set --label zone- --slots default build-01',
    ],
    operands: [1, Number.POSITIVE_INFINITY],
    flags: {
      slots: { kind: 'text', value: 'N', help: 'Concurrent builds; default restores the number of the worker' },
      label: { kind: 'list', short: 'l', value: 'KEY=VALUE', help: 'Set a label, or remove it with KEY- (repeatable)' },
      reset: { kind: 'bool', help: 'Restore the slots and labels of the worker' },
    },
  },
  ({ flags, client, operands, io }) => {
    const { slots, label, reset } = flags;
    if (slots === undefined && label.length === 0 && !reset) {
      throw new FlagError('nothing to set; use --slots, --label or --reset');
    }
    const change: HostChange = {
      ...(reset && { reset }),
      ...(slots !== undefined && { slots: readSlots(slots) }),
      ...(label.length > 0 && { labels: Object.fromEntries(label.map(readLabel)) }),
    };
    return forEachHost(operands, io, async (name) => {
      const host = await client.setHost(name, change);
      printHost(io, flags.json, host, `${name}: ${describe(host)}`);
      return EXIT.ok;
    });
  },
);

function readSlots(text: string): number | null {
  return text === 'default' ? null : wholeNumber('--slots', text, { min: 1, max: MAX_SLOTS, orElse: ', or default' });
}

function readLabel(text: string): [string, string | null] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  if (at < 0 && text.length > 1 && text.endsWith('-')) return [text.slice(0, -1), null];
  throw badFlag('--label', text, 'KEY=VALUE to set it, or KEY- to remove it');
}

function describe(host: HostInfoView): string {
  const { slots, usedSlots } = host;
  const over = usedSlots > slots ? ` (${usedSlots} in use; no new builds until slots are free)` : '';
  const set = settingsText(host);
  return `${slots} ${slots === 1 ? 'slot' : 'slots'}${over}, labels ${labelsText(host) || 'none'}; set: ${set || 'nothing'}`;
}
