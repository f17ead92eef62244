import type { Failure } from '../failure.ts';
import type { BuildRecord } from '../record.ts';
import { type BuildEvent, isIllegal, transition } from '../transition.ts';

/** A build that has just been accepted. */
export const fresh: BuildRecord = {
  id: 'b1',
  revision: 1,
  state: 'queued',
  repo: 'app',
  team: 'default',
  createdAt: 0,
  queuedAt: 0,
  attempts: [],
};
export const lost: Failure = { code: 'host_lost', message: 'gone' };

/** Applies events in turn; fails the test if one is refused. */
export function after(...events: BuildEvent[]): BuildRecord {
  return events.reduce<BuildRecord>((build, event, i) => {
    const next = transition(build, event, i + 1);
    if (isIllegal(next)) throw new Error(`${event.type} refused in ${build.state}: ${next.reason}`);
    return next;
  }, fresh);
}

export const assign = (incarnation = 'i1'): BuildEvent => ({ type: 'assign', host: 'h1', incarnation });
export const start = (attempt = 1, incarnation = 'i1'): BuildEvent => ({ type: 'start', attempt, incarnation });
export const finish = (attempt = 1, incarnation = 'i1'): BuildEvent => ({
  type: 'finish',
  attempt,
  incarnation,
  outcome: { end: 'succeeded' },
});
export const lose = (attempt = 1): BuildEvent => ({ type: 'lose', attempt, failure: lost });
