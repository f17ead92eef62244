import { readFile } from 'node:fs/promises';
import { basename, isAbsolute, relative, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import type { BakeInput } from '@kiln/contracts';
import { UsageError } from '../../io/errors.ts';
import type { Io } from '../../io/output.ts';
import { type ComposeFacts, composeFacts } from './compose-facts.ts';

/** In the order in which buildx looks for them, and uses all that are there. */
const DEFAULT_FILES = [
  ...['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml'],
  ...['docker-bake.json', 'docker-bake.override.json', 'docker-bake.hcl', 'docker-bake.override.hcl'],
];
const DOTENV = '.env';

/** What is to be evaluated, as the flags of `docker buildx bake` say it. */
export interface BakeCall {
  readonly file: readonly string[];
  readonly set: readonly string[];
  readonly flags: BakeInput['flags'];
  readonly targets: readonly string[];
}

/**
 * Reads what a host needs to evaluate the bake files of this machine: the files with those that they read, and the variables of the environment that they name.
 * @throws UsageError
 */
export async function collectBake(
  { file, set, flags, targets }: BakeCall,
  { cwd, env, stdin }: Pick<Io, 'cwd' | 'env' | 'stdin'>,
): Promise<BakeInput> {
  const remote = [...targets.slice(0, 1), ...file].find(isRemote);
  if (remote !== undefined)
    throw new UsageError(
      `${remote}: only docker buildx on this machine can read bake files from another one; install it`,
    );
  const files = new Map<string, string>();
  const read = async (path: string) => await readFile(resolve(cwd, path), 'utf8').catch(() => undefined);
  const names: string[] = [];
  for (const [i, named] of file.entries()) {
    const path = named.replace(/^cwd:\/\//, '');
    const content = path === '-' ? await text(stdin) : await read(path);
    if (content === undefined) throw new UsageError(`--file ${named}: the file cannot be read`);
    const name = path === '-' ? `stdin-${i}` : (nameIn(cwd, path) ?? `outside-${i}/${basename(path)}`);
    names.push(name);
    files.set(name, content);
  }
  if (file.length === 0) {
    for (const name of DEFAULT_FILES) {
      const content = await read(name);
      if (content !== undefined) files.set(name, content);
    }
    if (files.size === 0)
      throw new UsageError(
        `${cwd} has no bake file: expected ${DEFAULT_FILES.join(', ')}, or another one with -f FILE`,
      );
  }
  const variables = new Set(
    set.flatMap((override) => (override.includes('=') ? [] : [override.split('.').at(-1) ?? ''])),
  );
  // A set that grows while it is iterated over: a Compose file may read others.
  for (const [name, content] of files) {
    const { reads, variables: named } = factsOf(name, content);
    for (const variable of named) variables.add(variable);
    for (const path of reads) {
      const own = nameIn(cwd, path);
      const found = own === undefined || files.has(own) ? undefined : await read(path);
      if (own !== undefined && found !== undefined) files.set(own, found);
    }
  }
  const given = [...variables].flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]] as const]));
  return {
    ...{ files: Object.fromEntries(files), names, targets: [...targets], set: [...set], flags },
    variables: Object.fromEntries(given),
  };
}

/** Returns a file's path in a directory; undefined if it isn't in there. */
function nameIn(cwd: string, path: string): string | undefined {
  const name = relative(cwd, resolve(cwd, path));
  return name === '' || name === '..' || name.startsWith('../') || isAbsolute(name) ? undefined : name;
}

const HCL_VARIABLE = /^[ \t]*variable[ \t]+"?([A-Za-z_]\w*)"?[ \t]*\{/gm;

/** Returns which variables a file names, and which other files it reads, relative to the directory. */
function factsOf(name: string, content: string): ComposeFacts {
  if (/\.ya?ml$/.test(name)) {
    const facts = composeFacts(content);
    return { ...facts, reads: [DOTENV, ...facts.reads] };
  }
  if (/(?:^|\/)[^/]*\.env$|^\.env/.test(name)) return composeFacts(content);
  const variables = [...content.matchAll(HCL_VARIABLE)].map(([, variable = '']) => variable);
  try {
    const { variable = {} } = JSON.parse(content) as { variable?: object };
    return { reads: [], variables: Object.keys(variable) };
  } catch {
    // HCL, or a Compose file with another name.
    const facts = variables.length > 0 || !/^services:/m.test(content) ? undefined : composeFacts(content);
    return { reads: facts ? [DOTENV, ...facts.reads] : [], variables: [...variables, ...(facts?.variables ?? [])] };
  }
}

function isRemote(name: string): boolean {
  return /^(?:https?|git|ssh):\/\/|^github\.com\/|^[^/:@]+@[^/:]+:/.test(name);
}
