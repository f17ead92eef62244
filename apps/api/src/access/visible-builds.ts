import { ALL_TEAMS, type Principal, seesTeam } from '@kiln/domain';
import type { Builds } from '../ports.ts';

/** The builds as they are for `principal`: those of other teams don't exist. */
export function visibleBuilds(builds: Builds, principal: Principal): Builds {
  const { team } = principal;
  if (team === ALL_TEAMS) return builds;
  const visible = async (id: string) => {
    const build = await builds.get(id);
    return build && seesTeam(principal, build.record.team) ? build : undefined;
  };
  return {
    accept: (build) => builds.accept(build),
    get: visible,
    list: async (filter, page) =>
      seesTeam(principal, filter.team ?? team) ? builds.list({ ...filter, team }, page) : { builds: [] },
    cancel: async (id) => ((await visible(id)) ? builds.cancel(id) : undefined),
    secretsOf: async (id) => ((await visible(id)) ? builds.secretsOf(id) : undefined),
    decisions: async (id) => ((await visible(id)) ? builds.decisions(id) : []),
  };
}
