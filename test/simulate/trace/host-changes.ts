import type { Random } from './random.ts';
import type { Scenario } from './scenario.ts';
import type { HostChange, HostSpec } from './trace.ts';

/** Returns losses, replacements, scale-up and drains, ordered by time. */
export function addHostChanges(scenario: Scenario, hosts: readonly HostSpec[], random: Random): HostChange[] {
  const changes = [...losses(scenario, hosts, random), ...scaling(scenario)];
  return changes.sort((a, b) => a.t - b.t);
}

function* losses(scenario: Scenario, hosts: readonly HostSpec[], random: Random): Generator<HostChange> {
  const { hours, slots, disk } = scenario;
  if (!scenario.losses) return;
  const { every, backAfter, together = 1 } = scenario.losses;
  const up = hosts.map(({ host }) => host);
  const coming: { readonly t: number; readonly host: string }[] = [];
  let replaced = 0;
  for (let t = random.exponential(every * together); t < hours * 3_600; t += random.exponential(every * together)) {
    // A replacement can be lost only once it has joined.
    while (coming[0] && coming[0].t <= t) up.push((coming.shift() as { host: string }).host);
    for (let lost = 0; lost < together && up.length > 0; lost++) {
      const [host] = up.splice(random.integer(0, up.length - 1), 1) as [string];
      yield { type: 'down', t, host };
      const back = { t: t + backAfter, host: `r${++replaced}` };
      coming.push(back);
      yield { type: 'up', ...back, slots, disk };
    }
  }
}

function* scaling({ hours, slots, disk, scale }: Scenario): Generator<HostChange> {
  if (!scale) return;
  for (let i = 1; i <= scale.hosts; i++) {
    yield { type: 'up', t: scale.upAt * hours * 3_600, host: `extra${i}`, slots, disk };
    yield { type: 'drain', t: scale.drainAt * hours * 3_600, host: `extra${i}` };
  }
}
