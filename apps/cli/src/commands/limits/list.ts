import { bytes, type LimitView } from '@kiln/contracts';
import { OUTPUT_FLAGS, printOne } from '../../framework/print.ts';
import { type Column, renderTable } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';
import { settingsText } from './limit-text.ts';

export const listCommand = clientCommand(
  {
    name: 'limit ls',
    summary: 'List the default limits and all that are set',
    description:
      'List the default limits of teams and tokens, and the teams and tokens with limits of their own.\n\nNeeds the scope admin.',
    operands: [0, 0],
    flags: OUTPUT_FLAGS,
  },
  async ({ flags, client, io }) => {
    const all = await client.allLimits();
    const head = `each team: ${settingsText(all.eachTeam)}\neach token: ${settingsText(all.eachToken)}\n`;
    return printOne(io, flags, {
      value: all,
      name: all.set.map(({ kind, name }) => `${kind} ${name}`).join('\n'),
      text: () => (all.set.length > 0 ? `${head}\n${renderTable(COLUMNS, all.set, io.out)}` : head),
    });
  },
);

const COLUMNS: Column<LimitView>[] = [
  { title: 'WHOSE', text: ({ kind, name }) => `${kind} ${name}`, min: 10 },
  { title: 'RUNNING', text: ({ running }) => String(running), align: 'right' },
  { title: 'QUEUED', text: ({ queued }) => String(queued), align: 'right' },
  {
    title: 'STORED',
    text: ({ storedBytes }) => (storedBytes === undefined ? '' : bytes(storedBytes)),
    align: 'right',
  },
  { title: 'SET', text: ({ set }) => settingsText(set), min: 20 },
];
