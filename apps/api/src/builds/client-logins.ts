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

/**
 * Decides which logins a repeated build gets. Those of the first build's client were deleted when it ended, so it gets those that were sent with the
 * retry, if any.
 */
export function loginsOfRetry(old: BuildSpec['clientLogins'], ...sent: Parameters<typeof keptLogins>): KeptLogins {
  const kept = keptLogins(...sent);
  return kept.clientLogins || !old ? kept : { clientLogins: { ...old, ignored: 'retry' } };
}
