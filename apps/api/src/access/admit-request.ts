import type { BuildRequest } from '@kiln/contracts';
import { type Principal, type Trust, teamFor } from '@kiln/domain';
import { type Complaint, fieldComplaint } from '../http/complaint.ts';

/**
 * A build request as `principal` may make it: of the team that it names, or else of the principal's own.
 * `team` is what it names; `mayPush`: an operator's rule lets it push although it is untrusted. @throws Complaint `forbidden`
 */
export function admitRequest(
  request: BuildRequest,
  team: string | undefined,
  principal: Principal,
  { mayPush = false }: { readonly mayPush?: boolean } = {},
): BuildRequest {
  const own = teamFor(principal, team);
  if (own === undefined) {
    throw fieldComplaint('forbidden', 'team', JSON.stringify(team), `${principal.team}, the team of ${principal.name}`);
  }
  const output = mayPush && request.output.type === 'push' ? ({ type: 'none' } as const) : request.output;
  checkTrust({ output, secrets: Object.keys(request.secrets) }, principal.trust);
  return { ...request, team: own };
}

/** @throws Complaint `forbidden` for what an untrusted build may not have */
export function checkTrust(
  { output, secrets }: { readonly output: BuildRequest['output']; readonly secrets: readonly string[] },
  trust: Trust,
): void {
  if (trust === 'trusted') return;
  if (secrets.length > 0) throw untrusted('secrets', secrets.join(', '), 'none');
  if (output.type === 'push' || output.type === 'load') {
    throw untrusted('output.type', JSON.stringify(output.type), '"none" or "artifact"');
  }
}

function untrusted(field: string, got: string, expected: string): Complaint {
  return fieldComplaint('forbidden', field, got, `${expected}: the build is untrusted`);
}
