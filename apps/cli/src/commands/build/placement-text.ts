import { type BuildView, type PlacementInfoView, reasonText, verdictText } from '@kiln/contracts';
import { domainText } from '@kiln/domain';
import { duration } from '../../io/ages.ts';

type Decision = PlacementInfoView['decisions'][number];
type Considered = Decision['considered'][number];

/** What a run would cost other builds. Advantages of a host are not shown. */
const EXTRAS: Readonly<Record<string, string>> = {
  wanted: 'takes a slot that warm builds wait for',
  crowding: 'crowds out its warm builds',
  eviction: 'evicts caches',
  others: 'delays other builds',
};

/** How many hosts to list on the line that says why a build waits. */
const HOSTS_NAMED = 6;

/** Describes in a few words why a build waits: `for a, which has its cache: …`, `every host that fits is full`. */
export function waitingText({ reason, host, limit }: NonNullable<BuildView['waiting']>): string {
  return `${isForHost(reason) && host !== undefined ? `for ${host}, ` : ''}${reasonText({ reason, limit })}`;
}

/** Describes a build's place in the queue and its expected start: `3rd in the queue, starts in about 2m05s`. Empty if neither is known. */
export function queueText({ ahead, startAt }: NonNullable<BuildView['waiting']>, nowMs: number): string {
  const place = ahead === undefined ? [] : [`${ordinal(ahead + 1)} in the queue`];
  return [...place, ...(startAt === undefined ? [] : [`starts ${inText(startAt, nowMs)}`])].join(', ');
}

/** Describes a time to come: `in about 40s`, `at any moment`. */
export function inText(at: string, nowMs: number): string {
  const leftMs = Date.parse(at) - nowMs;
  return leftMs < SOON_MS ? 'at any moment' : `in about ${duration(roundedMs(leftMs)).replace('.0s', 's')}`;
}

const SOON_MS = 1_000;

/** To seconds, because predictions are no more exact. */
function roundedMs(ms: number): number {
  return Math.round(ms / 1_000) * 1_000;
}

/** `1st`, `2nd`, `3rd`, `11th`. */
function ordinal(number: number): string {
  const isTeen = number % 100 >= 11 && number % 100 <= 13;
  const suffix = isTeen ? 'th' : (['th', 'st', 'nd', 'rd'][number % 10] ?? 'th');
  return `${number}${suffix}`;
}

/** Describes the host that a build was placed on, and why: `on a, which has its cache`. Undefined if it has none. */
export function placedText({ decisions }: PlacementInfoView): string | undefined {
  const placed = decisions.findLast(({ host }) => host !== null);
  return placed && `on ${placed.host}, ${reasonText(placed)}`;
}

/** Describes a decision and its reason: `run on a, which has its cache`. */
export function decisionText(decision: Decision): string {
  const { host, reason, considered } = decision;
  const awaited = considered.find(({ verdict }) => verdict === 'awaited');
  const what = host !== null ? `run on ${host}` : isForHost(reason) && awaited ? `wait for ${awaited.host}` : 'wait';
  return `${what}, ${reasonText(decision)}`;
}

function isForHost(reason: string): boolean {
  return reason === 'waits_for_warm' || reason === 'waits_for_seed';
}

/** Describes a copy of the caches on its way to a host, or already there: `seeding from h1, ready in 12s`. */
export function seedingText({ seeding }: Considered, decidedAt: string): string | undefined {
  if (!seeding) return undefined;
  const leftMs = Date.parse(seeding.readyAt) - Date.parse(decidedAt);
  return leftMs > 0 ? `seeding from ${seeding.from}, ready in ${duration(leftMs)}` : `seeded from ${seeding.from}`;
}

/** Describes a verdict and what caused it: `would cost other builds more: evicts caches (2m05s)`. */
export function hostVerdict({ verdict, extras = {}, serves }: Considered): string {
  if (serves !== undefined) return `serves only ${domainText(serves)}`;
  if (verdict !== 'costs_others') return verdictText(verdict);
  const costs = Object.entries(extras)
    .filter(([, ms]) => ms > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([name, ms]) => `${EXTRAS[name] ?? name.replaceAll('_', ' ')} (${duration(ms)})`);
  return costs.length > 0 ? `${verdictText(verdict)}: ${costs.join(', ')}` : verdictText(verdict);
}

/** Describes the prediction and, once the attempt has started, the outcome: a line each. */
export function outcomeLines({ decidedAt, predicted, actual }: Decision): string[] {
  const lines: string[] = [];
  if (predicted) {
    const { startAt, runMs, warmth } = predicted;
    const wait = Date.parse(startAt) - Date.parse(decidedAt);
    const start = wait < 1_000 ? 'starts immediately' : `starts after ${duration(wait)}`;
    lines.push(`predicted: ${start}, ${percent(warmth)} warm, runs ${duration(runMs)}`);
  }
  if (actual) {
    const { waitedMs, runMs, end, code, steps } = actual;
    const run =
      runMs === undefined ? 'still running' : `ran ${duration(runMs)}${end ? ` and ${endText(end, code)}` : ''}`;
    const cached = steps ? `, ${steps.cached} of ${steps.total} steps cached` : '';
    lines.push(`actual:    started after ${duration(waitedMs)}, ${run}${cached}`);
  }
  return lines;
}

/** Summarises the hosts that are not listed: `and 37 more: 30 full, 7 lacks a label`. */
export function othersLine({ others = {} }: Decision): string | undefined {
  const counts = Object.entries(others).sort(([, a], [, b]) => b - a);
  if (counts.length === 0) return undefined;
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  return `and ${total} more: ${counts.map(([verdict, count]) => `${count} ${verdictText(verdict)}`).join(', ')}`;
}

export function percent(share: number): string {
  return `${Math.round(share * 100)}%`;
}

/** Describes why the build waits, by the last decision. Returns undefined once the build has a host. */
export function waitingReason(placement: PlacementInfoView): string | undefined {
  const last = placement.decisions.at(-1);
  if (!last) return 'for a placement decision';
  if (last.host !== null) return undefined;
  const awaited = last.considered.find(({ verdict }) => verdict === 'awaited');
  if (isForHost(last.reason) && awaited) {
    const seeding = seedingText(awaited, last.decidedAt);
    if (seeding !== undefined) return `for ${awaited.host}: ${seeding}`;
    const inMs = last.predicted ? Date.parse(last.predicted.startAt) - Date.parse(last.decidedAt) : 0;
    return `for ${awaited.host}, ${reasonText(last)}${inMs >= 1_000 ? `, in about ${duration(inMs)}` : ''}`;
  }
  // The list of hosts would repeat the same for each.
  if (last.reason === 'none_trusted' || last.reason === 'none_untrusted') return reasonText(last);
  const hosts = [
    ...last.considered.slice(0, HOSTS_NAMED).map(hostText),
    ...(last.considered.length > HOSTS_NAMED ? ['…'] : []),
  ].join(', ');
  return `${reasonText(last)}${hosts ? ` (${hosts})` : ''}`;
}

function hostText(considered: Considered): string {
  const { host, usedSlots, slots, verdict, serves } = considered;
  if (serves !== undefined) return `${host} ${hostVerdict(considered)}`;
  const full = verdict === 'full' || verdict === 'awaited' || verdict === 'later';
  return full ? `${host} ${usedSlots}/${slots}` : `${host} ${verdictText(verdict)}`;
}

/** Describes an attempt's end. `lost` covers everything that put the build back into the queue; the failure's code says what. */
function endText(end: string, code: string | undefined): string {
  if (end === 'canceled') return 'was canceled';
  return end === 'lost' ? (code !== undefined && RETURNS[code]) || 'was lost' : end;
}

const RETURNS: Readonly<Record<string, string>> = {
  host_drained: 'was handed back, because the host was drained',
  host_taken: 'was handed back, because the host serves other builds',
  host_outdated: 'was handed back, because its worker is too old for this build',
  infrastructure: 'was queued again after an error of the host',
};
