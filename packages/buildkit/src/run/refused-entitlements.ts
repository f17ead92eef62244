import type { BuildSpec } from '@kiln/contracts';
import type { Failure } from '@kiln/domain';
import type { RunHost } from './run-host.ts';

/** Returns the failure of a build that asks for privileges which the host doesn't grant; otherwise undefined. */
export function refusedEntitlements(
  { entitlements: granted }: Pick<RunHost, 'entitlements'>,
  { entitlements = [] }: Pick<BuildSpec, 'entitlements'>,
): Failure | undefined {
  const refused = entitlements.filter((name) => !granted.includes(name));
  if (refused.length === 0) return undefined;
  const expected = granted.length === 0 ? 'none' : granted.join(', ');
  const message = `entitlements: got ${refused.join(', ')}, expected ${expected}: the operator of a host grants them with KILN_ENTITLEMENTS`;
  return { code: 'trust_refused', message };
}
