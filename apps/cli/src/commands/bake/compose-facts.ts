import { parse } from 'yaml';
import { fieldsOf } from './yaml-fields.ts';

/** What evaluating a file needs besides its text. */
export interface ComposeFacts {
  /** Paths of the files that it reads. */
  readonly reads: readonly string[];
  /** Names of variables. */
  readonly variables: readonly string[];
}

const VARIABLE = /\$\{?([A-Za-z_]\w*)/g;

/** Returns what a Compose file needs: the variables in its texts, the build arguments that it takes from the environment, and the files that it names. */
export function composeFacts(content: string): ComposeFacts {
  const variables = [...content.matchAll(VARIABLE)].map(([, name = '']) => name);
  const services = fieldsOf(fieldsOf(parsed(content)).services);
  const reads: string[] = [];
  for (const service of Object.values(services).map(fieldsOf)) {
    variables.push(...withoutValue(fieldsOf(service.build).args));
    const { file } = fieldsOf(service.extends);
    if (typeof file === 'string') reads.push(file);
    for (const each of [service.env_file].flat()) {
      const path = typeof each === 'string' ? each : fieldsOf(each).path;
      if (typeof path === 'string') reads.push(path);
    }
  }
  for (const each of [fieldsOf(parsed(content)).include].flat()) {
    for (const path of [typeof each === 'string' ? each : fieldsOf(each).path].flat())
      if (typeof path === 'string') reads.push(path);
  }
  return { reads, variables };
}

/** Returns the names in a list or map of `args` that have no value. */
function withoutValue(args: unknown): string[] {
  if (Array.isArray(args)) return args.filter((arg) => typeof arg === 'string' && !arg.includes('='));
  return Object.entries(fieldsOf(args)).flatMap(([name, value]) => (value === null ? [name] : []));
}

/** buildx says what is wrong with a file. */
function parsed(content: string): unknown {
  try {
    return parse(content, { merge: true });
  } catch {
    return undefined;
  }
}
