import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fieldPath, fieldProblems } from '@kiln/contracts';
import { InvalidEnvironment } from '@kiln/runtime';
import { parseDocument } from 'yaml';
import { type OidcSettings, oidcSettings } from './settings.ts';

/**
 * Reads the issuers' file, YAML or JSON. Paths in it are taken from where it lies.
 * @throws InvalidEnvironment naming each field, what it holds and what was expected
 */
export function readOidcFile(path: string): OidcSettings {
  const document = parseDocument(textOf('KILN_OIDC_FILE', path));
  const [fault] = document.errors;
  if (fault) throw new InvalidEnvironment(`KILN_OIDC_FILE: ${path} is no YAML or JSON: ${fault.message}`);
  const value: unknown = document.toJS();
  const parsed = oidcSettings.safeParse(value);
  if (!parsed.success) {
    const lines = fieldProblems(parsed.error, value).map(
      ({ field, got, expected }) =>
        `  ${field}: holds ${/secret/i.test(field) ? 'a value that is not shown' : got}, expected ${expected}`,
    );
    throw new InvalidEnvironment(`KILN_OIDC_FILE: ${path} is not usable:\n${lines.join('\n')}`);
  }
  return { issuers: parsed.data.issuers.map((issuer, i) => withSecretPath(issuer, i, path)) };
}

type Issuer = OidcSettings['issuers'][number];

function withSecretPath(issuer: Issuer, index: number, path: string): Issuer {
  const { login } = issuer;
  if (login?.clientSecretFile === undefined) return issuer;
  const clientSecretFile = resolve(dirname(path), login.clientSecretFile);
  const secret = textOf(fieldPath(['issuers', index, 'login', 'clientSecretFile']), clientSecretFile);
  if (secret.trim() === '') throw new InvalidEnvironment(`KILN_OIDC_FILE: ${clientSecretFile} is empty`);
  return { ...issuer, login: { ...login, clientSecretFile } };
}

function textOf(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new InvalidEnvironment(
      `${name}: holds ${JSON.stringify(path)}, expected a readable file (${(error as Error).message})`,
    );
  }
}
