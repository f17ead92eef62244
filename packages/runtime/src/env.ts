import { z } from 'zod';

/** Environment variables that don't hold what they should; the message names each, what it holds and what it should. */
export class InvalidEnvironment extends Error {
  readonly code = 'invalid_environment';
}

/**
 * Reads settings from `env` by a schema whose keys are the variables' names. Called once, in an app's `main.ts`.
 * An empty variable counts as absent. Values of variables that look secret are not shown. `nameOf`: how a variable is called to the
 * person who made the setting, where that was by a flag.
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
  throw new InvalidEnvironment(`Settings are not usable:\n${lines.join('\n')}`);
}

function shown(name: string, value: string | undefined): string {
  if (value === undefined) return 'nothing';
  return /TOKEN|SECRET|KEY|PASSWORD|REDIS_URL/.test(name) ? 'a value that is not shown' : JSON.stringify(value);
}

/** A whole number of at least `min`, in the unit that the variable's name ends with. */
export const wholeNumber = (min: number, fallback: number) =>
  z
    .string()
    .regex(/^\d+$/, 'a whole number')
    .transform(Number)
    .pipe(z.int(`a whole number of at least ${min}`).min(min, `a whole number of at least ${min}`))
    .prefault(String(fallback));
