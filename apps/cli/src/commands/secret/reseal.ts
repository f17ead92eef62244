import type { ResealReport } from '@kiln/contracts';
import { printJson } from '../../framework/print.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { clientCommand } from '../../server/client-command.ts';
import { ownerText } from './owner.ts';

export const resealCommand = clientCommand(
  {
    name: 'secret reseal',
    summary: 'Reseal all secrets with the first key and verify them',
    description:
      'Reseal all secrets with the first key of KILN_SECRET_KEY, verify that every secret opens, and report whether older keys are still needed. ' +
      'Kiln also reseals on its own within minutes of a new first key.\n\nNeeds the scope admin.',
    exitCodes: [
      ['0', 'every secret opens with the first key; older keys can be removed'],
      ['1', 'some secrets cannot be opened'],
    ],
    operands: [0, 0],
    flags: {},
  },
  async ({ flags, client, io }) => {
    const report = await client.resealSecrets();
    if (flags.json) printJson(io, report);
    else printReport(io, report);
    return report.stored.unreadable.length + report.builds.unreadable > 0 ? EXIT.notDone : EXIT.ok;
  },
);

const text = ({ resealed, current }: { resealed: number; current: number }) =>
  `${resealed + current} in total, ${resealed} of them resealed`;

function printReport(io: Io, { keyId, stored, builds }: ResealReport): void {
  io.out.line(
    `sealed with key ${keyId}: stored secrets: ${text(stored)}; secrets of builds, schedules, connections and webhooks: ${text(builds)}`,
  );
  for (const { name, reason, ...whose } of stored.unreadable) {
    io.err.line(`kiln: ${name} of ${ownerText(whose)} cannot be opened: ${reason}`);
  }
  if (stored.unreadable.length > 0) {
    io.err.line(
      'kiln: these were left unchanged; add their key to KILN_SECRET_KEY again, after the first, or set them again',
    );
  }
  if (builds.unreadable > 0) {
    io.err.line(
      `kiln: secrets of ${builds.unreadable} builds, schedules, connections or webhooks cannot be opened; those of builds are deleted a day after the builds end`,
    );
  }
}
