import type { AuditEntry } from '@kiln/contracts';
import { runCommand } from '../../framework/command.ts';
import { UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io, Style } from '../../io/output.ts';
import { spanSeconds } from '../../io/spans.ts';
import { tameLine } from '../../io/terminal-text.ts';

const DEFAULT_SINCE = '24h';

const SPEC = {
  usage: 'kiln audit [FLAGS]',
  about:
    'Prints who did what, from where, and what became of it, oldest first. Needs the scope admin. --json prints one entry in each line, whole.',
  operands: [0, 0],
  flags: {
    since: {
      kind: 'text',
      value: 'WHEN',
      help: `A span back such as 90d, or a time as RFC 3339 has it (default: ${DEFAULT_SINCE})`,
    },
    until: { kind: 'text', value: 'WHEN', help: 'Likewise: entries before then' },
    follow: { kind: 'bool', short: 'f', help: 'Go on with what comes' },
  },
} as const;

export function auditCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client }) => {
    const since = readMoment('--since', flags.since ?? DEFAULT_SINCE, io.now());
    const until = flags.until === undefined ? undefined : readMoment('--until', flags.until, io.now());
    const leave = new AbortController();
    const stop = io.onInterrupt(() => leave.abort());
    try {
      for await (const entry of client.audit({ since, until, follow: flags.follow, signal: leave.signal })) {
        await io.out.writeBytes(
          Buffer.from(io.out.shown(flags.json ? `${JSON.stringify(entry)}\n` : `${describe(entry, io)}\n`)),
        );
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

const STYLES: Readonly<Record<AuditEntry['outcome'], Style>> = { done: 'green', refused: 'red', failed: 'yellow' };
const OUTCOME_COLUMNS = 7;

/** `2026-01-02T03:04:05Z done    createToken 01k… by ci (web) from 10.0.0.1: …` */
function describe(entry: AuditEntry, { out }: Io): string {
  const { at, actor, action, target, outcome, code, reason, details = {}, ip } = entry;
  const more = [
    ...(reason === undefined ? [] : [`${reason} [${code}]`]),
    ...Object.entries(details).map(([name, value]) => `${name}=${value}`),
  ].join(', ');
  const who = actor.team === '' || actor.kind === 'local-admin' ? actor.name : `${actor.name} (${actor.team})`;
  const what = [action, ...(target === undefined ? [] : [target]), `by ${who} from ${ip}`].join(' ');
  return `${at.slice(0, 19)}Z ${out.style(STYLES[outcome], outcome.padEnd(OUTCOME_COLUMNS))} ${tameLine((more === '' ? what : `${what}: ${more}`).replace(/[\r\n]+/g, ' '), false)}`;
}

function readMoment(flag: string, text: string, now: number): string {
  const seconds = spanSeconds(text);
  if (seconds !== undefined) return new Date(Math.max(0, now - seconds * 1_000)).toISOString();
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) {
    throw new UsageError(`${flag} ${text}: expected a span such as 24h or 90d, or a time such as 2026-01-02T03:04:05Z`);
  }
  return new Date(at).toISOString();
}
