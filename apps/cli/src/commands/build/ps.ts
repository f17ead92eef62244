import { hasEnded, type KilnClient, type ListOptions } from '@kiln/client';
import { type BuildView, bytes } from '@kiln/contracts';
import { BUILD_STATES } from '@kiln/domain';
import { oneOf, wholeNumber } from '../../framework/flag-values.ts';
import { OUTPUT_FLAGS, printList } from '../../framework/print.ts';
import { age, duration } from '../../io/ages.ts';
import type { Io, Style } from '../../io/output.ts';
import type { Column } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';
import { SUMMARIES } from '../summaries.ts';
import { shortId } from './build-id.ts';
import { waitingText } from './placement-text.ts';

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;
const UNFINISHED = ['queued', 'assigned', 'running'] as const;

/** Defines the command that lists builds, under one of its names. */
const listOf = (name: 'ps' | 'builds ls') =>
  clientCommand(
    {
      name,
      summary: SUMMARIES.ps,
      description: 'List builds, newest first. By default, only builds that have not ended are shown.',
      examples: [
        `kiln ${name} -a --repo github.com/acme/app`,
        `kiln ${name} --state failed -o json`,
        `kiln cancel $(kiln ${name} -o name)`,
      ],
      operands: [0, 0],
      flags: {
        ...OUTPUT_FLAGS,
        all: { kind: 'bool', short: 'a', help: 'Show all builds, also those that have ended' },
        repo: { kind: 'text', value: 'NAME', help: 'Show only builds of this repo' },
        state: { kind: 'text', value: 'STATE', help: `Show only builds in this state: ${BUILD_STATES.join(', ')}` },
        team: { kind: 'text', value: 'NAME', help: 'Show only builds of this team' },
        limit: {
          kind: 'text',
          short: 'n',
          value: 'N',
          help: `Show at most N builds, up to ${MAX_LIMIT} (default: ${DEFAULT_LIMIT})`,
        },
      },
    },
    async ({ flags, client, io }) => {
      const state = flags.state === undefined ? undefined : oneOf('--state', flags.state, BUILD_STATES);
      const limit = wholeNumber('--limit', flags.limit ?? String(DEFAULT_LIMIT), { min: 1, max: MAX_LIMIT });
      const query = { repo: flags.repo, team: flags.team, limit };
      const rows =
        state || flags.all ? (await client.list({ ...query, state })).builds : await unfinished(client, query);
      const isWide = flags.output === 'wide';
      const none = flags.all || state ? 'no builds' : 'no unfinished builds; kiln ps -a shows all';
      return printList(io, flags, 'builds', {
        name: ({ id }) => id,
        rows,
        columns: columns(io, rows, isWide),
        none,
      });
    },
  );

export const psCommand = listOf('ps');
export const listCommand = listOf('builds ls');

/** Lists unfinished builds, newest first: ids are ordered by time. */
async function unfinished(client: KilnClient, query: ListOptions): Promise<BuildView[]> {
  const pages = await Promise.all(UNFINISHED.map((state) => client.list({ ...query, state })));
  // A build may have changed its state between two of the answers.
  const byId = new Map(pages.flatMap(({ builds }) => builds).map((build) => [build.id, build]));
  return [...byId.values()].sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, query.limit);
}

/** Ids are shortened only on a terminal: scripts need the full ones. */
function columns({ out, now }: Io, rows: readonly BuildView[], isWide: boolean): Column<BuildView>[] {
  const at = now();
  return [
    { title: 'BUILD', text: ({ id }) => (out.isTerminal && !isWide ? shortId(id) : id) },
    { title: 'STATE', text: stateText, style: ({ state }) => STYLES[state] },
    { title: 'REPO', text: ({ repo }) => repo, min: 10 },
    { title: 'TEAM', text: ({ team }) => team, min: 6, dispensable: 3 },
    { title: 'HOST', text: ({ host }) => host ?? '-', min: 8, dispensable: 1 },
    { title: 'AGE', text: ({ createdAt }) => age(Date.parse(createdAt), at), align: 'right' },
    { title: 'TOOK', text: (build) => took(build, at), align: 'right', dispensable: 2 },
    // Only if a build has one, because they take much room.
    ...OPTIONAL.filter(({ text }) => rows.some((row) => text(row) !== '')),
  ];
}

const COMMIT_CHARS = 8;
const DIGEST_CHARS = 12;

const OPTIONAL: readonly Column<BuildView>[] = [
  { title: 'BY', text: ({ createdBy }) => creatorText(createdBy), min: 8, dispensable: 4 },
  { title: 'COMMIT', text: ({ commit }) => commit?.slice(0, COMMIT_CHARS) ?? '', dispensable: 5 },
  { title: 'TAG', text: ({ request: { tags } }) => tagsText(tags), min: 10, dispensable: 6 },
  { title: 'DIGEST', text: ({ result }) => shortDigest(result?.digest), dispensable: 7 },
  { title: 'SIZE', text: ({ result }) => sizeText(result?.imageBytes), align: 'right', dispensable: 7 },
  { title: 'WAITING', text: ({ waiting }) => (waiting ? waitingText(waiting) : ''), min: 12, dispensable: 3 },
];

/** The name of a credential or person alone, and other callers with their kind: `webhook github`. */
function creatorText(createdBy: BuildView['createdBy']): string {
  if (!createdBy) return '';
  const { kind, name } = createdBy;
  return kind === 'webhook' || kind === 'schedule' ? `${kind} ${name}` : name;
}

function tagsText([first, ...more]: readonly string[]): string {
  return first === undefined ? '' : `${first}${more.length > 0 ? ` (+${more.length})` : ''}`;
}

function shortDigest(digest = ''): string {
  return digest.slice(0, 'sha256:'.length + DIGEST_CHARS);
}

function sizeText(imageBytes: number | undefined): string {
  return imageBytes === undefined ? '' : bytes(imageBytes);
}

const STYLES: Readonly<Partial<Record<BuildView['state'], Style>>> = {
  assigned: 'cyan',
  running: 'cyan',
  succeeded: 'green',
  failed: 'red',
  canceled: 'yellow',
};

function stateText({ state, cancelRequestedAt, supersededBy, sharedRun }: BuildView): string {
  if (supersededBy !== undefined && state === 'canceled') return 'superseded';
  if (sharedRun !== undefined && state === 'queued') return 'sharing';
  return cancelRequestedAt !== undefined && !hasEnded({ state }) ? 'canceling' : state;
}

function took({ durationMs, startedAt, state }: BuildView, at: number): string {
  if (durationMs !== undefined) return duration(durationMs);
  return startedAt !== undefined && !hasEnded({ state }) ? duration(Math.max(0, at - Date.parse(startedAt))) : '-';
}
