import { ALL_TEAMS, type Principal, seesTeam } from '@kiln/domain';
import type { Builds } from '../ports.ts';
import { requireActsOn } from './act-on.ts';

/** The builds as they are for `principal`: those of other teams don't exist, and an untrusted principal cancels only untrusted ones. */
export function visibleBuilds(builds: Builds, principal: Principal): Builds {
  const { team } = principal;
  const visible = async (id: string) => {
    const build = await builds.get(id);
    return build && seesTeam(principal, build.record.team) ? build : undefined;
  };
  const cancel: Builds['cancel'] = async (id) => {
    const build = await visible(id);
    if (!build) return undefined;
    requireActsOn(principal, 'build', build.record);
    return builds.cancel(id);
  };
  return {
    accept: (build) => builds.accept(build),
    get: visible,
    list: async (filter, page) => {
      if (team === ALL_TEAMS) return builds.list(filter, page);
      return seesTeam(principal, filter.team ?? team) ? builds.list({ ...filter, team }, page) : { builds: [] };
    },
    cancel,
    secretsOf: async (id) => ((await visible(id)) ? builds.secretsOf(id) : undefined),
    decisions: async (id) => ((await visible(id)) ? builds.decisions(id) : []),
  };
}
