import { KilnPolicy } from '../protocol/bridge.ts';
import type { Policy } from '../protocol/events.ts';
import { BoundedLoadHash, StickyHash, VolumeLocality } from './bound-early.ts';
import { FifoRandom, LeastBusy, WarmFirst } from './central.ts';
import { DelayScheduling } from './delay.ts';

/** The policies that `--policy` accepts, in the order of the tables. */
export const POLICIES: Readonly<Record<string, { readonly about: string; readonly make: () => Policy }>> = {
  kiln: { about: "Kiln's own, the code of production", make: () => new KilnPolicy() },
  'fifo-random': { about: 'in order of arrival, on any free host', make: () => new FifoRandom() },
  'least-busy': { about: 'in order of arrival, on the least busy host', make: () => new LeastBusy() },
  'warm-first': { about: 'a free host with the cache, else any free one', make: () => new WarmFirst() },
  'sticky-hash': { about: 'always the same host for a repo', make: () => new StickyHash() },
  'bounded-hash': { about: 'consistent hashing with bounded loads, c = 1.25', make: () => new BoundedLoadHash() },
  'volume-locality': { about: "a host with the repo's volumes, however busy", make: () => new VolumeLocality() },
  'delay-60': { about: 'waits 60 s for a host with the cache', make: () => new DelayScheduling(60) },
  'delay-300': { about: 'waits 300 s', make: () => new DelayScheduling(300) },
  'delay-900': { about: 'waits 900 s', make: () => new DelayScheduling(900) },
};
