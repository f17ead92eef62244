import { hasEnded, type KilnClient, type ListOptions } from '@kiln/client';
import type { BuildView } from '@kiln/contracts';
import { BUILD_STATES } from '@kiln/domain';
import { age, duration } from '../../io/ages.ts';
import { UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { type Column, renderTable } from '../../io/table.ts';
import { runCommand } from '../../framework/command.ts';
import { shortId } from './build-id.ts';
import { buildStyle } from '../state-style.ts';

const SPEC = {
  usage: 'kiln ps [FLAGS]',
  about: 'Lists builds, the newest first: those that have not ended, or with -a all.',
  operands: [0, 0],
  flags: {
    all: { kind: 'bool', short: 'a', help: 'Also builds that have ended' },
    repo: { kind: 'text', value: 'NAME', help: 'Builds of this repo only' },
    state: { kind: 'text', value: 'STATE', help: BUILD_STATES.join(', ') },
    team: { kind: 'text', value: 'NAME', help: 'Builds of this team only' },
    limit: { kind: 'text', short: 'n', value: 'N', help: 'At most so many (default: 50, at most 200)' },
  },
} as const;

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;
const UNFINISHED = ['queued', 'assigned', 'running'] as const;

export function psCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client }) => {
    const state = BUILD_STATES.find((known) => known === flags.state);
    if (flags.state !== undefined && !state) {
      throw new UsageError(`--state ${flags.state}: expected ${BUILD_STATES.join(', ')}`);
    }
    const limit = readLimit(flags.limit);
    const query = { repo: flags.repo, team: flags.team, limit };
    const builds =
      state || flags.all ? (await client.list({ ...query, state })).builds : await unfinished(client, query);
    if (flags.json) io.out.line(JSON.stringify({ builds }, null, 2));
    else if (builds.length > 0) io.out.write(renderTable(columns(io), builds, io.out));
    else io.err.line(flags.all || state ? 'kiln: no builds' : 'kiln: no builds under way; kiln ps -a shows all');
    return EXIT.ok;
  });
}

/** Ids are ordered by time. */
async function unfinished(client: KilnClient, query: ListOptions): Promise<BuildView[]> {
  const pages = await Promise.all(UNFINISHED.map((state) => client.list({ ...query, state })));
  // A build may have moved on between two of the answers.
  const byId = new Map(pages.flatMap(({ builds }) => builds).map((build) => [build.id, build]));
  return [...byId.values()].sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, query.limit);
}

function readLimit(text: string | undefined): number {
  if (text === undefined) return DEFAULT_LIMIT;
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new UsageError(`--limit ${text}: expected 1 to ${MAX_LIMIT}`);
}

/** Columns that name a build; in a pipe with whole ids, for what reads them there. */
function columns({ out, now }: Io): Column<BuildView>[] {
  const at = now();
  return [
    { title: 'BUILD', text: ({ id }) => (out.isTerminal ? shortId(id) : id) },
    { title: 'STATE', text: stateText, style: ({ state }) => buildStyle(state) },
    { title: 'REPO', text: ({ repo }) => repo, min: 10 },
    { title: 'TEAM', text: ({ team }) => team, min: 6, dispensable: 3 },
    { title: 'HOST', text: ({ host }) => host ?? '-', min: 8, dispensable: 1 },
    { title: 'AGE', text: ({ createdAt }) => age(Date.parse(createdAt), at), align: 'right' },
    { title: 'TOOK', text: (build) => took(build, at), align: 'right', dispensable: 2 },
  ];
}

function stateText({ state, cancelRequestedAt, supersededBy, sharedRun }: BuildView): string {
  if (supersededBy !== undefined && state === 'canceled') return 'superseded';
  if (sharedRun !== undefined && state === 'queued') return 'sharing';
  return cancelRequestedAt !== undefined && !hasEnded({ state }) ? 'canceling' : state;
}

function took({ durationMs, startedAt, state }: BuildView, at: number): string {
  if (durationMs !== undefined) return duration(durationMs);
  return startedAt !== undefined && !hasEnded({ state }) ? duration(Math.max(0, at - Date.parse(startedAt))) : '-';
}
