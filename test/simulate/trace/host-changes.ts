import type { Random } from './random.ts';
import type { Scenario } from './scenario.ts';
import type { HostChange, HostSpec } from './trace.ts';

/** Losses, replacements, scale-up and drains, in order of time. */
export function addHostChanges(scenario: Scenario, hosts: readonly HostSpec[], random: Random): HostChange[] {
  const { hours, slots, disk, losses, scale } = scenario;
  const end = hours * 3_600;
  const changes: HostChange[] = [];
  if (losses) {
    const names = hosts.map(({ host }) => host);
    let replaced = 0;
    for (let t = random.exponential(losses.every); t < end; t += random.exponential(losses.every)) {
      const index = random.integer(0, names.length - 1);
      const back = `r${++replaced}`;
      changes.push({ type: 'down', t, host: names[index] as string });
      changes.push({ type: 'up', t: t + losses.backAfter, host: back, slots, disk });
      names.splice(index, 1);
      if (names.length < 2) names.push(back);
      else if (t + losses.backAfter < end) names.push(back);
    }
  }
  if (scale) {
    for (let i = 1; i <= scale.hosts; i++) {
      changes.push({ type: 'up', t: scale.upAt * end, host: `extra${i}`, slots, disk });
      changes.push({ type: 'drain', t: scale.drainAt * end, host: `extra${i}` });
    }
  }
  // A replacement may be lost only once it is there.
  const ordered = changes.sort((a, b) => a.t - b.t);
  const there = new Set(hosts.map(({ host }) => host));
  return ordered.filter((change) => {
    if (change.type === 'up') there.add(change.host);
    return there.has(change.host);
  });
}
