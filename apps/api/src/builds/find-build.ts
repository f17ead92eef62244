import { buildId } from '@kiln/contracts';
import type { Principal } from '@kiln/domain';
import type { StoredBuild } from '@kiln/state';
import type { Request } from 'express';
import { visibleBuilds } from '../access/visible-builds.ts';
import { type ApiProblem, fieldProblem, parameter } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';
import type { Builds } from '../ports.ts';

/** Reads a build as the principal may see it. @throws ApiProblem `build_not_found`, `unavailable`; the store's errors */
export type FindBuild = (id: string, principal: Principal) => Promise<StoredBuild>;

/** Creates a `FindBuild`. `timeoutMs`: how long to wait for the store. */
export function buildFinder(builds: Builds, timeoutMs: number): FindBuild {
  return async (id, principal) => {
    const build = await within(timeoutMs, visibleBuilds(builds, principal).get(id));
    if (!build) throw buildNotFound(id);
    return build;
  };
}

/** The build id in a request's path. @throws ApiProblem `invalid_request` */
export function buildIdOf(request: Request): string {
  return parameter(buildId, 'id', request.params.id);
}

export function buildNotFound(id: string): ApiProblem {
  return fieldProblem('build_not_found', 'id', id, 'the id of a build');
}
