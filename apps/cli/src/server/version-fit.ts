import type { KilnClient } from '@kiln/client';
import { fitsServer } from '@kiln/domain';
import { CLI_VERSION } from '../cli-version.ts';

const warned = new WeakSet<KilnClient>();

/** Says what to do if this command doesn't fit a server of this version. Undefined if it does, or if that isn't known. */
export function misfitText(server: string): string | undefined {
  if (fitsServer(CLI_VERSION, server) !== false) return undefined;
  return `this is kiln ${CLI_VERSION}, which does not fit the server's version ${server}: it may refuse what this command sends; install kiln ${server}`;
}

/** Returns the warning that this command doesn't fit the server, once for each client, after an answer of the server. */
export function misfitWarning(client: KilnClient): string | undefined {
  const text = client.serverVersion === undefined ? undefined : misfitText(client.serverVersion);
  if (text === undefined || warned.has(client)) return undefined;
  warned.add(client);
  return text;
}
