import { dirname, resolve } from 'node:path';
import { fieldPath, fieldProblems } from '@kiln/contracts';
import { InvalidEnvironment, readSettingsFile, settingsText } from '@kiln/runtime';
import { type OidcSettings, oidcSettings } from './settings.ts';

const VARIABLE = 'KILN_OIDC_FILE';

/**
 * Reads the issuers' file, YAML or JSON. Paths in it are relative to the file's directory.
 * @throws InvalidEnvironment naming each wrong field, its value and what was expected
 */
export function readOidcFile(path: string): OidcSettings {
  const { issuers } = readSettingsFile(VARIABLE, path, oidcSettings, fieldProblems);
  return { issuers: issuers.map((issuer, i) => withSecretPath(issuer, i, path)) };
}

type Issuer = OidcSettings['issuers'][number];

function withSecretPath(issuer: Issuer, index: number, path: string): Issuer {
  const { login } = issuer;
  if (login?.clientSecretFile === undefined) return issuer;
  const clientSecretFile = resolve(dirname(path), login.clientSecretFile);
  const secret = settingsText(fieldPath(['issuers', index, 'login', 'clientSecretFile']), clientSecretFile);
  if (secret.trim() === '') throw new InvalidEnvironment(`${VARIABLE}: ${clientSecretFile} is empty`);
  return { ...issuer, login: { ...login, clientSecretFile } };
}
