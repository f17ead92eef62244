import type { ResealReport } from '@kiln/contracts';
import { runCommand } from '../../framework/command.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { whoseText } from './where.ts';

const SPEC = {
  usage: 'kiln secret reseal [FLAGS]',
  about:
    'Seals everything with the first key of KILN_SECRET_KEY, opens it all, and says whether an older key is still needed: then it ends ' +
    'with 1. Kiln does the sealing by itself, too, within minutes of a new first key. Needs the scope admin.',
  operands: [0, 0],
  flags: {},
} as const;

export function resealCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client }) => {
    const report = await client.resealSecrets();
    if (flags.json) io.out.line(JSON.stringify(report, null, 2));
    else say(io, report);
    return report.stored.unreadable.length + report.builds.unreadable > 0 ? EXIT.notDone : EXIT.ok;
  });
}

const text = ({ resealed, current }: { resealed: number; current: number }) =>
  `${resealed + current} in all, ${resealed} with another key before`;

function say(io: Io, { keyId, stored, builds }: ResealReport): void {
  io.out.line(
    `key ${keyId} seals what is stored: ${text(stored)}; and what builds, schedules, connections and webhooks hold: ${text(builds)}`,
  );
  for (const { name, reason, ...whose } of stored.unreadable) {
    io.err.line(`kiln: ${name} of ${whoseText(whose)} can’t be opened: ${reason}`);
  }
  if (stored.unreadable.length > 0) {
    io.err.line('kiln: these were left as they are: give their key back (behind the first), or set them again');
  }
  if (builds.unreadable > 0) {
    io.err.line(
      `kiln: secrets of ${builds.unreadable} builds, schedules, connections or webhooks can’t be opened; those of builds go a day after their ends`,
    );
  }
}
