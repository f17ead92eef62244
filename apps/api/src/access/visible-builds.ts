import { ALL_TEAMS, type Principal, seesTeam } from '@kiln/domain';
import type { Builds } from '../ports.ts';
import { requireActsOn } from './act-on.ts';

/** Restricts the builds to those that `principal` may see: other teams' builds don't exist, and an untrusted principal cancels only untrusted ones. */
export function visibleBuilds(builds: Builds, principal: Principal): Builds {
  const { team } = principal;
  const visible = async (id: string) => {
    const build = await builds.get(id);
    return build && seesTeam(principal, build.record.team) ? build : undefined;
  };
  const visibleRecord = async (id: string) => {
    const record = await builds.record(id);
    return record && seesTeam(principal, record.team) ? record : undefined;
  };
  const cancel: Builds['cancel'] = async (id) => {
    const record = await visibleRecord(id);
    if (!record) return undefined;
    requireActsOn(principal, 'build', record);
    return builds.cancel(id);
  };
  return {
    accept: (build) => builds.accept(build),
    get: visible,
    record: visibleRecord,
    list: async (filter, page) => {
      if (team === ALL_TEAMS) return builds.list(filter, page);
      return seesTeam(principal, filter.team ?? team) ? builds.list({ ...filter, team }, page) : { builds: [] };
    },
    cancel,
    secretsOf: async (id) => ((await visibleRecord(id)) ? builds.secretsOf(id) : undefined),
    // Asked for builds that were read through this one.
    lastDecisions: (ids) => builds.lastDecisions(ids),
    queuedBefore: (ids) => builds.queuedBefore(ids),
    decisions: async (id) => ((await visibleRecord(id)) ? builds.decisions(id) : []),
  };
}
