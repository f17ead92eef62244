import type { AuditEntry } from '@kiln/contracts';
import { parseDuration } from '@kiln/domain';
import { badFlag } from '../../framework/flag-values.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { untilInterrupted } from '../../io/interruptible.ts';
import type { Io, Style } from '../../io/output.ts';
import { tameLine } from '../../io/tame-line.ts';
import { clientCommand } from '../../server/client-command.ts';
import { SUMMARIES } from '../summaries.ts';

const DEFAULT_SINCE = '24h';

export const auditCommand = clientCommand(
  {
    name: 'audit',
    summary: SUMMARIES.audit,
    description:
      'Print who did what, from which address, and with what outcome, oldest entry first. With --json, each line is one complete entry.\n\nNeeds the scope admin.',
    examples: [
      'kiln audit --since 7d',
      'kiln audit --since 2026-01-02T03:04:05Z --until 2026-01-03 --json',
      'kiln audit -f',
    ],
    operands: [0, 0],
    flags: {
      since: {
        kind: 'text',
        value: 'WHEN',
        help: `Start at this time: a span back from now such as 90d, or an RFC 3339 time (default: ${DEFAULT_SINCE})`,
      },
      until: { kind: 'text', value: 'WHEN', help: 'Stop before this time, given in the same ways' },
      follow: { kind: 'bool', short: 'f', help: 'Wait for new entries' },
    },
  },
  async ({ flags, client, io }) => {
    const since = readTime('--since', flags.since ?? DEFAULT_SINCE, io.now());
    const until = flags.until === undefined ? undefined : readTime('--until', flags.until, io.now());
    return untilInterrupted(io, async (signal) => {
      for await (const entry of client.audit({ since, until, follow: flags.follow, signal })) {
        const line = flags.json ? JSON.stringify(entry) : entryText(entry, io);
        await io.out.writeBytes(Buffer.from(io.out.shown(`${line}\n`)));
      }
      return EXIT.ok;
    });
  },
);

const STYLES: Readonly<Record<AuditEntry['outcome'], Style>> = { done: 'green', refused: 'red', failed: 'yellow' };
const OUTCOME_COLUMNS = 7;

/** `2026-01-02T03:04:05Z done    createToken 01k… by ci (web) from 10.0.0.1: …` */
function entryText(entry: AuditEntry, { out }: Io): string {
  const { at, actor, action, target, outcome, code, reason, details = {}, ip } = entry;
  const more = [
    ...(reason === undefined ? [] : [`${reason} [${code}]`]),
    ...Object.entries(details).map(([name, value]) => `${name}=${value}`),
  ].join(', ');
  const who = actor.team === '' || actor.kind === 'local-admin' ? actor.name : `${actor.name} (${actor.team})`;
  const what = [action, ...(target === undefined ? [] : [target]), `by ${who} from ${ip}`].join(' ');
  const text = tameLine((more === '' ? what : `${what}: ${more}`).replace(/[\r\n]+/g, ' '), false);
  return `${at.slice(0, 19)}Z ${out.style(STYLES[outcome], outcome.padEnd(OUTCOME_COLUMNS))} ${text}`;
}

function readTime(flag: string, text: string, now: number): string {
  const seconds = parseDuration(text);
  if (seconds !== undefined) return new Date(Math.max(0, now - seconds * 1_000)).toISOString();
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw badFlag(flag, text, 'a span such as 24h or 90d, or a time such as 2026-01-02T03:04:05Z');
  return new Date(at).toISOString();
}
