import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import type { z } from 'zod';
import { InvalidEnvironment } from './env.ts';

/** One thing wrong with a file. */
interface FieldFault {
  readonly field: string;
  readonly got: string;
  readonly expected: string;
}

/**
 * Reads the file of settings, YAML or JSON, that `variable` names. `faultsOf` says what is wrong with it; what a field whose name has
 * `secret` in it holds is not shown.
 * @throws InvalidEnvironment naming each field, what it holds and what was expected
 */
export function readSettingsFile<S extends z.ZodType>(
  variable: string,
  path: string,
  schema: S,
  faultsOf: (error: z.core.$ZodError, value: unknown) => readonly FieldFault[],
): z.output<S> {
  const document = parseDocument(settingsText(variable, path));
  const [fault] = document.errors;
  if (fault) throw new InvalidEnvironment(`${variable}: ${path} is not valid YAML or JSON: ${fault.message}`);
  const value: unknown = document.toJS();
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const lines = faultsOf(parsed.error, value).map(
    ({ field, got, expected }) =>
      `  ${field}: got ${/secret/i.test(field) ? 'a value that is not shown' : got}, expected ${expected}`,
  );
  throw new InvalidEnvironment(`${variable}: ${path} is not usable:\n${lines.join('\n')}`);
}

/** The text of a file that the setting `name` names. @throws InvalidEnvironment */
export function settingsText(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new InvalidEnvironment(
      `${name}: got ${JSON.stringify(path)}, expected a readable file (${(error as Error).message})`,
    );
  }
}
