import { z } from 'zod';

/** Environment variables that aren't valid. The message names each, what was got and what was expected. */
export class InvalidEnvironment extends Error {
  readonly code = 'invalid_environment';
}

/**
 * Reads settings from `env` by a schema whose keys are the variables' names. Called once, in an app's `main.ts`. An empty variable counts
 * as absent. Values of variables that look secret are not shown.
 * @param nameOf names a variable in messages, for settings that can also be given as flags
 * @throws InvalidEnvironment
 */
export function readEnv<T extends z.ZodType>(
  schema: T,
  env: NodeJS.ProcessEnv,
  nameOf: (variable: string) => string = String,
): z.output<T> {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => {
    const name = issue.path.join('.');
    return `  ${nameOf(name)}: got ${shown(name, given[name])}, expected ${issue.message.replace(/^Invalid input: expected /, '')}`;
  });
  throw new InvalidEnvironment(`Invalid settings:\n${lines.join('\n')}`);
}

function shown(name: string, value: string | undefined): string {
  if (value === undefined) return 'nothing';
  return /TOKEN|SECRET|KEY|PASSWORD|REDIS_URL|HEADERS/.test(name)
    ? 'a value that is not shown'
    : JSON.stringify(withoutCredentials(value));
}

/** Masks the user and password of URLs. */
function withoutCredentials(text: string): string {
  return text.replace(/\/\/[^/]*@/g, '//***@');
}

/** A whole number of at least `min`, in the unit at the end of the variable's name. */
export const wholeNumber = (min: number, fallback: number) =>
  z
    .string()
    .regex(/^\d+$/, 'a whole number')
    .transform(Number)
    .pipe(z.int(`a whole number of at least ${min}`).min(min, `a whole number of at least ${min}`))
    .prefault(String(fallback));
