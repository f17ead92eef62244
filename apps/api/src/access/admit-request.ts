import type { BuildRequest, BuildSpec } from '@kiln/contracts';
import {
  type Granted,
  mayPush,
  type Principal,
  type PushRule,
  pushPatterns,
  refusedTo,
  type Trust,
  teamFor,
} from '@kiln/domain';
import { type ApiProblem, fieldProblem } from '../http/api-problem.ts';

/**
 * A build request as `principal` may make it: of the team that it names, or else of the principal's own.
 * `team` is what it names; `rules`: what untrusted builds may push. @throws ApiProblem `forbidden`
 */
export function admitRequest(
  request: BuildRequest,
  team: string | undefined,
  principal: Principal,
  rules: readonly PushRule[],
): BuildRequest {
  const own = teamFor(principal, team);
  if (own === undefined) {
    throw fieldProblem('forbidden', 'team', JSON.stringify(team), `${principal.team}, the team of ${principal.name}`);
  }
  const admitted = { ...request, team: own };
  grantTo({ ...admitted, secrets: Object.keys(request.secrets) }, principal.trust, rules);
  return admitted;
}

/**
 * What a build of this class is granted beyond it, to be kept with it; undefined where that is nothing.
 * @throws ApiProblem `forbidden` for what it may not have
 */
export function grantTo(
  { team, output, tags, secrets }: Pick<BuildSpec, 'team' | 'output' | 'tags' | 'secrets'>,
  trust: Trust,
  rules: readonly PushRule[],
): Granted | undefined {
  if (trust === 'trusted') return undefined;
  const patterns = output.type === 'push' ? pushPatterns(rules, team) : [];
  const granted = patterns.length > 0 ? { push: true } : undefined;
  const refusal = refusedTo(trust, { output, secrets }, granted);
  if (refusal) throw untrusted(refusal.field, refusal.got, refusal.expected);
  if (granted) checkTags(tags, patterns);
  return granted;
}

function checkTags(tags: readonly string[], patterns: readonly string[]): void {
  const i = tags.findIndex((tag) => !mayPush(tag, patterns));
  if (i >= 0) throw untrusted(['tags', i], JSON.stringify(tags[i]), `an image of ${patterns.join(', ')}`);
}

function untrusted(field: string | readonly PropertyKey[], got: string, expected: string): ApiProblem {
  return fieldProblem('forbidden', field, got, `${expected}: the build is untrusted`);
}
