import type { HostView, PendingBuild } from './words.ts';

/** Why a host can't take a build, whatever its load. */
export const RULED_OUT = [
  'cordoned',
  'draining',
  'platform_missing',
  'label_missing',
  'trust_missing',
  'too_small',
  'lost_it_before',
] as const;
export type RuledOut = (typeof RULED_OUT)[number];

type Needs = Pick<PendingBuild, 'weight' | 'platforms' | 'hostLabels' | 'trust' | 'lostOn'>;

/** Undefined where the host can take the build. `lost_it_before` comes last: it is the one that may be taken back. */
export function ruleOut(needs: Needs, host: HostView): RuledOut | undefined {
  if (host.draining) return 'draining';
  if (host.cordoned) return 'cordoned';
  for (const platform of needs.platforms) if (!host.platforms.includes(platform)) return 'platform_missing';
  for (const label in needs.hostLabels) if (host.labels[label] !== needs.hostLabels[label]) return 'label_missing';
  if (!host.trust.includes(needs.trust)) return 'trust_missing';
  if (needs.weight > host.slots) return 'too_small';
  return needs.lostOn.includes(host.name) ? 'lost_it_before' : undefined;
}

/** The same for all builds that fit the same hosts. */
export function requirementsKey({ weight, platforms, hostLabels, trust, lostOn }: Needs): string {
  const labels = Object.entries(hostLabels).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([weight, [...platforms].sort(), labels, trust, [...lostOn].sort()]);
}
