import type { BuildRequest, BuildSpec, ClientLogin, ClientLoginsView } from '@kiln/contracts';
import type { Trust } from '@kiln/domain';

interface KeptLogins {
  /** What the build's request says of them. */
  readonly clientLogins?: ClientLoginsView;
  readonly logins?: readonly ClientLogin[];
}

/**
 * Decides whether a build gets the registry logins of its client: only if the operator lets clients send any, and never if it is untrusted. A
 * build isn't refused because of them: every client that has logged in sends them.
 */
export function keptLogins(
  { registryLogins = [] }: Pick<BuildRequest, 'registryLogins'>,
  trust: Trust,
  takesLogins: boolean,
): KeptLogins {
  if (registryLogins.length === 0) return {};
  const registries = registryLogins.map(({ registry }) => registry).sort();
  if (!takesLogins) return { clientLogins: { registries, ignored: 'off' } };
  if (trust === 'untrusted') return { clientLogins: { registries, ignored: 'untrusted' } };
  return { clientLogins: { registries }, logins: registryLogins };
}

/** Returns the request of a build that is repeated. The logins of its client were deleted when it ended. */
export function withoutLogins(spec: BuildSpec): BuildSpec {
  const { clientLogins, ...rest } = spec;
  return clientLogins ? { ...rest, clientLogins: { ...clientLogins, ignored: 'retry' } } : spec;
}
