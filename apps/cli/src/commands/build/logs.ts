import { hasEnded } from '@kiln/client';
import { PlainRenderer } from '@kiln/contracts';
import { UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { runCommand } from '../../framework/command.ts';
import { resolveId } from './build-id.ts';

const SPEC = {
  usage: 'kiln logs [FLAGS] ID',
  about: 'Prints a build’s log. --json is --format ndjson.',
  operands: [1, 1],
  flags: {
    follow: { kind: 'bool', short: 'f', help: 'Go on until the build has ended' },
    attempt: { kind: 'text', value: 'N', help: 'One attempt only (default: all)' },
    format: { kind: 'text', value: 'FORMAT', help: 'plain (default) or ndjson' },
  },
} as const;

/** Exits with 0 whatever became of the build: this command is about the log. */
export function logsCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client, operands }) => {
    const format = flags.format ?? (flags.json ? 'ndjson' : 'plain');
    if (format !== 'plain' && format !== 'ndjson') throw new UsageError(`--format ${format}: expected plain or ndjson`);
    const attempt = readAttempt(flags.attempt);
    const id = await resolveId(client, operands[0] ?? '');
    const build = await client.get(id);
    const leave = new AbortController();
    const stop = io.onInterrupt(() => leave.abort());
    let renderer = new PlainRenderer();
    try {
      const follow = Boolean(flags.follow) && !hasEnded(build);
      for await (const record of client.followLog(id, { attempt, follow, signal: leave.signal })) {
        const text = format === 'ndjson' ? `${JSON.stringify(record)}\n` : renderer.render(record);
        if (text !== '') await io.out.writeBytes(Buffer.from(io.out.shown(text)));
        // Steps of the next attempt are numbered from 1 again.
        if (record.type === 'end') renderer = new PlainRenderer();
      }
      return EXIT.ok;
    } catch (error) {
      if (leave.signal.aborted) return EXIT.interrupted;
      throw error;
    } finally {
      stop();
    }
  });
}

function readAttempt(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new UsageError(`--attempt ${text}: expected a number from 1`);
}
