import {
  type BuildRequest,
  type BuildSpec,
  type CacheLocation,
  type TargetsRequest,
  targetSpecs,
} from '@kiln/contracts';
import {
  type Granted,
  isPushed,
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
 * Admits a build request of `principal`: for the team that the request names (`team`), or else for the principal's own. `rules` say what
 * untrusted builds may push.
 * @throws ApiProblem `forbidden`
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
  grantTo(admitted, principal.trust, rules);
  return admitted;
}

/**
 * Decides what a build of this trust class is granted beyond its class, for all of its targets; undefined if nothing. The grant is stored with the build.
 * @throws ApiProblem `forbidden` if the build asks for something that it may not have
 */
export function grantTo(request: TargetsRequest, trust: Trust, rules: readonly PushRule[]): Granted | undefined {
  const granted = targetSpecs(request).map(({ at, spec }) => grantToTarget(spec, at, trust, rules));
  return granted.find((one) => one !== undefined);
}

function grantToTarget(
  {
    team,
    output,
    tags,
    cache,
    secrets,
    entitlements,
  }: Pick<BuildSpec, 'team' | 'output' | 'tags' | 'cache' | 'secrets' | 'entitlements'>,
  at: readonly string[],
  trust: Trust,
  rules: readonly PushRule[],
): Granted | undefined {
  if (trust === 'trusted') return undefined;
  const exported = cache?.to ?? [];
  const patterns = isPushed(output) || exported.length > 0 ? pushPatterns(rules, team) : [];
  const granted = patterns.length > 0 ? { push: true } : undefined;
  const refusal = refusedTo(trust, { output, secrets, entitlements }, granted);
  if (refusal) throw untrusted([...at, ...refusal.field.split('.')], refusal.got, refusal.expected);
  if (granted && isPushed(output)) checkTags(tags, patterns, at);
  checkCaches(exported, patterns);
  return granted;
}

function checkTags(tags: readonly string[], patterns: readonly string[], at: readonly string[]): void {
  const i = tags.findIndex((tag) => !mayPush(tag, patterns));
  if (i < 0) return;
  throw untrusted([...at, 'tags', i], JSON.stringify(tags[i]), `an image that matches ${patterns.join(' or ')}`);
}

function checkCaches(to: readonly CacheLocation[], patterns: readonly string[]): void {
  const i = to.findIndex((one) => one.type !== 'registry' || !mayPush(one.ref, patterns));
  const refused = to[i];
  if (!refused) return;
  const images = patterns.length > 0 ? `a reference that matches ${patterns.join(' or ')}` : 'no caches to export';
  const [field, got] =
    refused.type === 'registry' ? (['ref', refused.ref] as const) : (['type', refused.type] as const);
  throw untrusted(['cache', 'to', i, field], JSON.stringify(got), images);
}

function untrusted(field: readonly PropertyKey[], got: string, expected: string): ApiProblem {
  return fieldProblem('forbidden', field, got, `${expected}, since the build is untrusted`);
}
