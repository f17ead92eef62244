import type { WhySlowView } from '@kiln/contracts';
import { badFlag } from '../../framework/flag-values.ts';
import { printJson } from '../../framework/print.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { clientCommand } from '../../server/client-command.ts';
import { SUMMARIES } from '../summaries.ts';
import { resolveId } from './build-id.ts';
import { whySlowText } from './why-slow-text.ts';

export const whySlowCommand = clientCommand(
  {
    name: 'why-slow',
    synopsis: 'ID',
    summary: SUMMARIES['why-slow'],
    description:
      'Explain which steps of a build were not cached and why, compared with the last successful build of its repo: what changed in the Dockerfile, the files, the build arguments or the base image. Also show whether its cache mounts were warm, and where the time went.',
    operands: [1, 1],
    flags: {
      attempt: { kind: 'text', value: 'N', help: 'Explain this attempt (default: the last one)' },
    },
  },
  async ({ flags, client, operands, io }) => {
    const attempt = flags.attempt === undefined ? undefined : attemptOf(flags.attempt);
    const id = await resolveId(client, operands[0] ?? '');
    const view = await client.whySlow(id, attempt === undefined ? {} : { attempt });
    if (flags.json) printJson(io, view);
    else if (view.notRecorded === undefined) io.out.write(whySlowText(view, io));
    else io.err.line(`kiln: ${notRecordedText(view)}`);
    return EXIT.ok;
  },
);

function attemptOf(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw badFlag('--attempt', text, 'the number of an attempt');
}

function notRecordedText({ attempt, host, notRecorded }: WhySlowView): string {
  switch (notRecorded) {
    case 'not_started':
      return 'the build has not started yet: `kiln why` shows what it waits for';
    case 'running':
      return `attempt ${attempt} is still running on ${host}: it is explained when it has ended`;
    case 'storing':
      return `attempt ${attempt} has just ended, and ${host} has not stored its record yet: try again in a few seconds`;
    default:
      return `nothing was recorded of attempt ${attempt} on ${host}: its worker was of an older version, could not store the record, or the record is no longer kept`;
  }
}
