import type { PlacementInfoView } from '@kiln/contracts';

type Decision = PlacementInfoView['decisions'][number];
type Considered = Decision['considered'][number];

const REASONS: Readonly<Record<string, string>> = {
  least_busy: 'the least busy host that fits',
  all_full: 'every host that fits is full',
  no_host: 'no host has joined the pool',
  none_fits: 'no host fits',
  team_limit: 'its team has as many builds running as it may',
  token_limit: 'who submitted it has as many builds running as they may',
};

const VERDICTS: Readonly<Record<string, string>> = {
  chosen: 'chosen',
  busier: 'busier',
  full: 'full',
  cordoned: 'cordoned',
  draining: 'draining',
  platform_missing: "can't build for the platform",
  label_missing: 'lacks a label',
  too_small: 'too small',
  lost_it_before: 'lost this build before',
};

/** A reason's words; one that this version doesn't know is shown as it is. */
export function reasonText({ reason, limit }: Pick<Decision, 'reason' | 'limit'>): string {
  const text = REASONS[reason] ?? reason.replaceAll('_', ' ');
  return limit === undefined ? text : `${text} (${limit})`;
}

export function verdictText(verdict: string): string {
  return VERDICTS[verdict] ?? verdict.replaceAll('_', ' ');
}

/** Why the build still waits, by the last decision; undefined once it has a host. */
export function waitingReason({ decisions }: PlacementInfoView): string | undefined {
  const last = decisions.at(-1);
  if (!last) return 'for the scheduler';
  if (last.host !== null) return undefined;
  const hosts = last.considered.map(hostText).join(', ');
  return `${reasonText(last)}${hosts ? ` (${hosts})` : ''}`;
}

function hostText({ host, usedSlots, slots, verdict }: Considered): string {
  return verdict === 'full' ? `${host} ${usedSlots}/${slots}` : `${host} ${verdictText(verdict)}`;
}
