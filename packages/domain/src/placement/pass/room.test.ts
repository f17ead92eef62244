import fc from 'fast-check';
import { expect, test } from 'vitest';
import { explain } from '../explain/explain.ts';
import type { PendingGroup } from '../pool/pending-group.ts';
import { Scene } from '../testing/scene.ts';
import { type Explain, Pass } from './pass.ts';

const host = fc.record({ slots: fc.integer({ min: 1, max: 4 }), cordoned: fc.boolean(), isWarm: fc.boolean() });
const build = fc.record({ weight: fc.integer({ min: 1, max: 3 }), repo: fc.constantFrom('app', 'other') });

function counted(pass: Pass, { hosts, weight }: PendingGroup): number {
  return [...pass.fitting(hosts)].filter((one) => pass.timeline(one).freeNow >= weight).length;
}

test('knows at every point of a pass how many hosts have room for a build, and after it when a host is cordoned', () => {
  fc.assert(
    fc.property(fc.array(host, { minLength: 1, maxLength: 8 }), fc.array(build, { maxLength: 25 }), (hosts, builds) => {
      const scene = new Scene();
      for (const [i, { slots, cordoned, isWarm }] of hosts.entries()) {
        scene.host(`h${i}`, { slots, cordoned }, isWarm ? { app: 1 } : {});
      }
      for (const [i, one] of builds.entries()) scene.submit(`b${i}`, one);
      const seen: [number, number][] = [];
      const look = (pass: Pass) => {
        for (const group of scene.pool.waiting.groups) seen.push([pass.withRoom(group.hosts), counted(pass, group)]);
      };
      const looking: Explain = (pass, ...decided) => {
        look(pass);
        return explain(pass, ...decided);
      };
      const pass = new Pass(scene.pool, scene.now, looking);
      pass.run();
      look(pass);
      scene.host('h0', { slots: hosts[0]?.slots ?? 1, cordoned: true });
      look(pass);
      expect(seen.map(([room]) => room)).toEqual(seen.map(([, count]) => count));
    }),
  );
});
