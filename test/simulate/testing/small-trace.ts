import { CLASSES } from '../trace/make-trace.ts';
import type { Scenario } from '../trace/scenario.ts';
import type { HostSpec, Trace, TraceBuild } from '../trace/trace.ts';

/** A build of one minute warm, two stale and ten cold, on a cache of size 1. Times in seconds. */
export function build(id: string, submitted: number, more: Partial<TraceBuild> = {}): TraceBuild {
  return {
    build: id,
    submitted,
    repo: 'app',
    team: '',
    prio: 1,
    weight: 1,
    dep: 0,
    run: { warm: 60, stale: 120, cold: 600 },
    size: 1,
    ...more,
  };
}

export const host = (name: string, more: Partial<HostSpec> = {}): HostSpec => ({
  host: name,
  slots: 1,
  disk: 10,
  ...more,
});

export function trace(builds: readonly TraceBuild[], more: Partial<Trace> = {}): Trace {
  return { name: 'by hand', hosts: [host('a')], changes: [], builds, classes: CLASSES, measureFrom: 0, ...more };
}

/** A few hours of a small pool that is busy enough for placement to matter. */
export const SMALL: Scenario = {
  name: 'small',
  about: 'a few hours of a small pool',
  hours: 8,
  warmUpHours: 2,
  hosts: 5,
  slots: 2,
  disk: 10,
  repos: 50,
  zipf: 1,
  load: 0.65,
  warm: [20, 300],
  coldFactor: [2, 10],
  noise: 0.25,
  depChanges: 0.05,
  bursts: { share: 0.15, builds: [3, 8], within: 120 },
};
