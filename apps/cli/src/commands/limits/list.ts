import { bytes, type LimitView } from '@kiln/contracts';
import { runCommand } from '../../framework/command.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { type Column, renderTable } from '../../io/table.ts';
import { settingsText } from './limit-text.ts';

const SPEC = {
  usage: 'kiln limits ls [FLAGS]',
  about: 'Lists what each team and each token may do by default, and those for whom something else is set.',
  operands: [0, 0],
  flags: {},
} as const;

export function listCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client }) => {
    const all = await client.allLimits();
    if (flags.json) {
      io.out.line(JSON.stringify(all, null, 2));
      return EXIT.ok;
    }
    io.out.line(`each team: ${settingsText(all.eachTeam)}`);
    io.out.line(`each token: ${settingsText(all.eachToken)}`);
    if (all.set.length > 0) io.out.write(`\n${renderTable(COLUMNS, all.set, io.out)}`);
    return EXIT.ok;
  });
}

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
