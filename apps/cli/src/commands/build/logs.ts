import { hasEnded } from '@kiln/client';
import { PlainRenderer } from '@kiln/contracts';
import { badFlag, oneOf } from '../../framework/flag-values.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { untilInterrupted } from '../../io/interruptible.ts';
import { waitingText } from '../../progress/view.ts';
import { clientCommand } from '../../server/client-command.ts';
import { SUMMARIES } from '../summaries.ts';
import { resolveId } from './build-id.ts';
import { type QueueDisplay, QueueWatch } from './follow/queue-watch.ts';
import { ReconnectNotice } from './follow/reconnect-notice.ts';

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
      // Only for people: a program that follows a log expects nothing but what concerns it.
      const say = (message: string) => io.err.isTerminal && io.err.line(`kiln: ${message}`);
      const notice = new ReconnectNotice((message) => io.err.line(`kiln: ${message}`));
      using watch = new QueueWatch(client, id, oncePerReason(say), io.now);
      if (follow && build.state === 'queued') watch.start();
      let hasBegun = !follow || build.state !== 'queued';
      const onReconnect = (error: unknown, delayMs: number) => notice.lost(error, delayMs);
      for await (const record of client.followLog(id, { attempt, follow, signal, onReconnect })) {
        notice.heard();
        if (!hasBegun) watch.began();
        hasBegun = true;
        const text = format === 'ndjson' ? `${JSON.stringify(record)}\n` : renderer.render(record);
        if (text !== '') await io.out.writeBytes(Buffer.from(io.out.shown(text)));
        // The next attempt numbers its steps from 1 again.
        if (record.type === 'end') renderer = new PlainRenderer();
        if (!follow || record.type !== 'end' || record.state !== 'queued') continue;
        hasBegun = false;
        watch.start();
      }
      return EXIT.ok;
    });
  },
);

/** Shows why a build waits, each reason once. */
function oncePerReason(say: (message: string) => void): QueueDisplay {
  let last = '';
  return {
    waiting: (reason, queue) => {
      if (reason !== last) say(waitingText(reason, queue));
      last = reason;
    },
    placed: (text) => say(`runs ${text}`),
  };
}

function readAttempt(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw badFlag('--attempt', text, 'a number of at least 1');
}
