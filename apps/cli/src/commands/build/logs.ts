import { hasEnded } from '@kiln/client';
import { PlainRenderer } from '@kiln/contracts';
import { badFlag, oneOf } from '../../framework/flag-values.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { untilInterrupted } from '../../io/interruptible.ts';
import { clientCommand } from '../../server/client-command.ts';
import { SUMMARIES } from '../summaries.ts';
import { resolveId } from './build-id.ts';

const FORMATS = ['plain', 'ndjson'] as const;

export const logsCommand = clientCommand(
  {
    name: 'logs',
    synopsis: 'ID',
    summary: SUMMARIES.logs,
    description:
      'Print the log of a build. --json means --format ndjson.\n\nThe exit code is 0 also if the build failed.',
    examples: ['kiln logs -f 00aaaaaa', 'kiln logs --attempt 1 --format ndjson 00aaaaaa'],
    operands: [1, 1],
    flags: {
      follow: { kind: 'bool', short: 'f', help: 'Follow the log until the build ends' },
      attempt: { kind: 'text', value: 'N', help: 'Print only this attempt (default: all)' },
      format: { kind: 'text', value: 'FORMAT', help: 'plain or ndjson (default: plain)' },
    },
  },
  async ({ flags, client, operands, io }) => {
    const format = oneOf('--format', flags.format ?? (flags.json ? 'ndjson' : 'plain'), FORMATS);
    const attempt = readAttempt(flags.attempt);
    const id = await resolveId(client, operands[0] ?? '');
    const build = await client.get(id);
    return untilInterrupted(io, async (signal) => {
      let renderer = new PlainRenderer();
      const follow = Boolean(flags.follow) && !hasEnded(build);
      for await (const record of client.followLog(id, { attempt, follow, signal })) {
        const text = format === 'ndjson' ? `${JSON.stringify(record)}\n` : renderer.render(record);
        if (text !== '') await io.out.writeBytes(Buffer.from(io.out.shown(text)));
        // The next attempt numbers its steps from 1 again.
        if (record.type === 'end') renderer = new PlainRenderer();
      }
      return EXIT.ok;
    });
  },
);

function readAttempt(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw badFlag('--attempt', text, 'a number of at least 1');
}
