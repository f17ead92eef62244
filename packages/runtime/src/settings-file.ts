import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import type { z } from 'zod';
import { InvalidEnvironment } from './env.ts';

/** A field of a file that isn't valid. */
interface FieldFault {
  readonly field: string;
  readonly got: string;
  readonly expected: string;
}

/**
 * Reads the settings file, YAML or JSON, that `variable` names. Values of fields with `secret` in their name are not shown.
 * @param faultsOf explains the schema's error, field by field
 * @throws InvalidEnvironment with each invalid field, what was got and what was expected
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
  throw new InvalidEnvironment(`${variable}: ${path} is not valid:\n${lines.join('\n')}`);
}

/** Reads the file that the setting `name` names. @throws InvalidEnvironment */
export function settingsText(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new InvalidEnvironment(
      `${name}: got ${JSON.stringify(path)}, expected a readable file (${(error as Error).message})`,
    );
  }
}
