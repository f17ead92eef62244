import type { BuildView, HostInfoView } from '@kiln/contracts';
import { safeName } from '@kiln/contracts';
import { age, duration } from '../../io/ages.ts';
import type { Channel } from '../../io/output.ts';
import { type Column, renderTable } from '../../io/table.ts';
import { fit, spread } from '../../io/terminal-text.ts';
import { shortId } from '../build/build-id.ts';
import { inText, waitingText } from '../build/placement-text.ts';
import { hostStyle } from '../host/host-style.ts';
import { diskText, stateText } from '../host/host-text.ts';
import type { PoolSnapshot } from './read-pool.ts';

/** What one frame shows besides the pool. */
export interface TopState {
  /** Absent until the pool has been read. */
  readonly pool: PoolSnapshot | undefined;
  /** Why the last try to read the pool failed. */
  readonly problem?: string | undefined;
  /** ms since the epoch. */
  readonly now: number;
}

/** The least rows of each part, before the remaining ones are given to the parts in order. */
const LEAST_ROWS = 3;

/**
 * Renders the pool as lines that fit `channel`: a summary, its hosts, the builds that run, and the queue. `rows` is the number of lines
 * that there is room for; what has no room is counted. Infinity prints all.
 */
export function topFrame(state: TopState, channel: Channel, rows: number): string[] {
  const { pool } = state;
  // The last column stays free: after writing it, terminals differ in whether the cursor is on the next line.
  const columns = channel.isTerminal ? channel.columns - 1 : Number.POSITIVE_INFINITY;
  const head = headLines(state, channel, columns);
  if (!pool) return head;
  const parts = [
    {
      title: 'HOSTS',
      lines: tableLines(HOST_COLUMNS(state.now), pool.hosts, channel),
      none: 'no host has joined the pool',
    },
    { title: 'RUNNING', lines: tableLines(runningColumns(state.now), pool.running, channel), none: 'no builds run' },
    { title: 'QUEUE', lines: tableLines(queueColumns(state.now), pool.queued, channel), none: 'no builds wait' },
  ];
  const shown = shares(
    parts.map(({ lines }) => Math.max(1, lines.length)),
    rows - head.length - parts.length,
  );
  return [
    ...head,
    ...parts.flatMap(({ lines, none }, i) => [
      '',
      ...(lines.length === 0 ? [channel.style('dim', none)] : cut(lines, shown[i] ?? 0, channel)),
    ]),
  ].map((line) => (columns === Number.POSITIVE_INFINITY ? line : fit(line, columns)));
}

function headLines({ pool, problem, now }: TopState, channel: Channel, columns: number): string[] {
  const time = new Date(now).toTimeString().slice(0, 8);
  const title = `${channel.style('bold', 'kiln top')}${pool ? `  ${safeName(pool.url)}` : ''}`;
  const first = columns === Number.POSITIVE_INFINITY ? `${title}  ${time}` : spread(title, time, columns);
  const lost = problem === undefined ? [] : [channel.style('yellow', `${safeName(problem)}; trying again`)];
  if (!pool) return [first, ...(problem === undefined ? [channel.style('dim', 'reading the pool …')] : lost)];
  return [first, summary(pool), ...lost];
}

function summary({ hosts, running, queued, hasMore }: PoolSnapshot): string {
  const ready = hosts.filter(({ state }) => state === 'ready');
  const slots = ready.reduce((sum, host) => sum + host.slots, 0);
  const used = hosts.reduce((sum, host) => sum + host.usedSlots, 0);
  const away = hosts.length - ready.length;
  const oldest = queued.reduce((least, { queuedAt }) => (least === '' || queuedAt < least ? queuedAt : least), '');
  return [
    `${ready.length} host${ready.length === 1 ? '' : 's'} ready${away > 0 ? ` (${away} not)` : ''}`,
    `${used}/${slots} slots`,
    `${running.length} running`,
    `${queued.length}${hasMore ? '+' : ''} queued${oldest === '' ? '' : `, the oldest since ${oldest.slice(11, 19)}Z`}`,
  ].join(' · ');
}

const METER_CELLS = 8;

/** Draws how many slots are used: `##------ 1/4`. */
function meter({ usedSlots, slots }: HostInfoView): string {
  const filled = Math.min(METER_CELLS, Math.round((usedSlots / Math.max(1, slots)) * METER_CELLS));
  return `${'#'.repeat(filled)}${'-'.repeat(METER_CELLS - filled)} ${usedSlots}/${slots}`;
}

const HOST_COLUMNS = (now: number): Column<HostInfoView>[] => [
  { title: 'HOST', text: ({ name }) => name, min: 8 },
  { title: 'STATE', text: (host) => stateText(host, now), style: hostStyle, min: 8 },
  { title: 'SLOTS', text: meter },
  { title: 'LOAD', text: loadText, style: (host) => (isBusy(host) ? 'yellow' : undefined), align: 'right' },
  { title: 'FREE DISK', text: diskText, align: 'right', dispensable: 1 },
  { title: 'WARM', text: ({ caches }) => String(caches?.warmRepos ?? '-'), align: 'right', dispensable: 2 },
  { title: 'SEEN', text: ({ lastSeenAt }) => age(Date.parse(lastSeenAt), now), align: 'right', dispensable: 3 },
];

/** Load average of the last minute and the number of CPUs: `3.2/8`. */
function loadText({ load }: HostInfoView): string {
  return load ? `${load.average.toFixed(1)}/${load.cpus}` : '-';
}

function isBusy({ load }: HostInfoView): boolean {
  return load !== undefined && load.average > load.cpus;
}

const runningColumns = (now: number): Column<BuildView>[] => [
  { title: 'RUNNING', text: ({ id }) => shortId(id) },
  { title: 'HOST', text: ({ host }) => host ?? '-', min: 8 },
  {
    title: 'TIME',
    text: (build) =>
      build.startedAt === undefined ? 'starts' : duration(Math.max(0, now - Date.parse(build.startedAt))),
    align: 'right',
  },
  { title: 'REPO', text: ({ repo }) => repo, min: 10 },
  { title: 'TEAM', text: ({ team }) => team, min: 6, dispensable: 1 },
];

const queueColumns = (now: number): Column<BuildView>[] => [
  { title: 'QUEUED', text: ({ id }) => shortId(id) },
  { title: 'STARTS', text: (build) => startsText(build, now), min: 8 },
  { title: 'WAITED', text: ({ queuedAt }) => age(Date.parse(queuedAt), now), align: 'right' },
  { title: 'REPO', text: ({ repo }) => repo, min: 10 },
  { title: 'TEAM', text: ({ team }) => team, min: 6, dispensable: 1 },
  { title: 'WHY', text: ({ waiting }) => (waiting ? waitingText(waiting) : ''), min: 10, dispensable: 2 },
];

function startsText({ waiting, sharedRun, cancelRequestedAt }: BuildView, now: number): string {
  if (cancelRequestedAt !== undefined) return 'canceling';
  if (sharedRun !== undefined) return `shares ${shortId(sharedRun)}`;
  return waiting?.startAt === undefined ? 'not known' : inText(waiting.startAt, now).replace('in about ', 'in ');
}

function tableLines<T>(columns: readonly Column<T>[], rows: readonly T[], channel: Channel): string[] {
  return rows.length === 0 ? [] : renderTable(columns, rows, channel).trimEnd().split('\n');
}

/** Divides rows among parts that want `wanted` each: each gets the least first, and the rest goes to the parts in order. */
function shares(wanted: readonly number[], rows: number): number[] {
  const given = wanted.map((want) => Math.min(want, LEAST_ROWS));
  let left = rows - given.reduce((sum, one) => sum + one, 0);
  return wanted.map((want, i) => {
    const more = Math.max(0, Math.min(left, want - (given[i] ?? 0)));
    left -= more;
    return (given[i] ?? 0) + more;
  });
}

/** Keeps `rows` lines; the last of them counts those that have no room. */
function cut(lines: readonly string[], rows: number, channel: Channel): string[] {
  if (lines.length <= rows) return [...lines];
  const kept = Math.max(1, rows - 1);
  return [...lines.slice(0, kept), channel.style('dim', `… and ${lines.length - kept} more`)];
}
