import { UsageError } from '../../io/errors.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** What the inputs of a job ask for. */
export interface CiInputs {
  /** Flags of `kiln build`, and the context as the last word. */
  readonly args: readonly string[];
  /** Variables for that command: values of secrets, which no command line may have. */
  readonly env: Readonly<Record<string, string>>;
  /** The Dockerfile, relative to the working directory, for annotations. Undefined if the context isn't a directory. */
  readonly dockerfile: string | undefined;
  readonly warnings: readonly string[];
}

/** Inputs with one value, and their flags. */
const TEXTS = {
  file: 'file',
  target: 'target',
  network: 'network',
  'shm-size': 'shm-size',
  call: 'call',
  provenance: 'provenance',
  sbom: 'sbom',
} as const;
const BOOLS = { push: 'push', load: 'load', pull: 'pull', 'no-cache': 'no-cache' } as const;
/** Inputs with a list, and their flags: separated by lines, and by commas unless a value may have one. */
const LISTS: Readonly<Record<string, { readonly flag: string; readonly commas: boolean }>> = {
  tags: { flag: 'tag', commas: true },
  'build-args': { flag: 'build-arg', commas: false },
  'build-contexts': { flag: 'build-context', commas: false },
  labels: { flag: 'label', commas: false },
  annotations: { flag: 'annotation', commas: false },
  platforms: { flag: 'platform', commas: true },
  outputs: { flag: 'output', commas: false },
  'cache-from': { flag: 'cache-from', commas: false },
  'cache-to': { flag: 'cache-to', commas: false },
  'no-cache-filters': { flag: 'no-cache-filter', commas: true },
  'add-hosts': { flag: 'add-host', commas: true },
  allow: { flag: 'allow', commas: true },
  attests: { flag: 'attest', commas: false },
  ulimit: { flag: 'ulimit', commas: false },
};
/** Lists whose values are lists with commas themselves, such as `type=local,dest=out`. Woodpecker’s settings have one in each line, too. */
const CSV: ReadonlySet<string> = new Set(['outputs', 'cache-from', 'cache-to', 'attests']);
/** Flags that take several values only in one. */
const JOINED: ReadonlySet<string> = new Set(['platform']);
/** Kiln's own inputs, with the flags of the same name. */
const OWN = ['repo', 'team', 'priority', 'timeout', 'cache', 'cache-key', 'concurrency-key', 'supersede'] as const;
/** Inputs of the action that have no meaning on a pool. */
const WITHOUT_MEANING = ['builder', 'cgroup-parent', 'github-token', 'ssh'] as const;

const isSet = (text: string | undefined): text is string => text !== undefined && text.trim() !== '';

/**
 * Reads what to build from variables such as `INPUT_BUILD_ARGS`, by the rules of docker/build-push-action. Lists of Woodpecker, which
 * are joined by commas or are JSON, are read too.
 * @param prefix of the variables: `INPUT_` @param gitContext the context if none is named. Default: `.` @throws UsageError
 */
export function readInputs(env: Env, prefix: string, gitContext?: string): CiInputs {
  const input = (name: string) => {
    const text = env[`${prefix}${name.replaceAll('-', '_').toUpperCase()}`];
    return isSet(text) ? text.trim() : undefined;
  };
  const args: string[] = [];
  const given: Record<string, string> = {};
  for (const [name, flag] of Object.entries(TEXTS)) {
    const text = input(name);
    if (text !== undefined) args.push(`--${flag}`, text);
  }
  for (const [name, flag] of Object.entries(BOOLS)) if (truth(prefix, name, input(name))) args.push(`--${flag}`);
  const repo = prefix === 'PLUGIN_' ? undefined : input('repo');
  for (const name of OWN) {
    const text = name === 'repo' ? repo : input(name);
    if (text !== undefined) args.push(`--${name}`, text);
  }
  for (const [name, { flag, commas }] of Object.entries(LISTS)) {
    const values = listed(input(name), commas || (prefix === 'PLUGIN_' && !CSV.has(name)));
    const all = name === 'tags' && prefix === 'PLUGIN_' ? withRepo(values, input('repo')) : values;
    if (JOINED.has(flag) && all.length > 0) args.push(`--${flag}`, all.join(','));
    else for (const value of all) args.push(`--${flag}`, value);
  }
  const secrets = [
    ...listed(input('secrets'), false).map((text, i) => {
      const [id, value] = pair('secrets', text);
      given[`KILN_CI_SECRET_${i}`] = value;
      return `id=${id},env=KILN_CI_SECRET_${i}`;
    }),
    ...listed(input('secret-envs'), true)
      .map((text) => pair('secret-envs', text))
      .map(([id, name]) => `id=${id},env=${name}`),
    ...listed(input('secret-files'), true)
      .map((text) => pair('secret-files', text))
      .map(([id, path]) => `id=${id},src=${path}`),
  ];
  for (const secret of secrets) args.push('--secret', secret);
  const context = input('context') ?? gitContext ?? '.';
  const isDirectory = !/^(?:[a-z+]+:\/\/|git@|-$)/.test(context);
  const base = context === '.' || context === './' ? '' : `${context.replace(/^\.\//, '').replace(/\/$/, '')}/`;
  // As in docker: the file is relative to the working directory, its default is in the context.
  const dockerfile = input('file') ?? `${base}Dockerfile`;
  return {
    args: [...args, context],
    env: given,
    dockerfile: isDirectory ? dockerfile : undefined,
    warnings: WITHOUT_MEANING.filter((name) => name !== 'github-token' && input(name) !== undefined).map(
      (name) => `the input ${name} is ignored`,
    ),
  };
}

function truth(prefix: string, name: string, text: string | undefined): boolean {
  if (text === undefined || /^false$/i.test(text)) return false;
  if (/^true$/i.test(text)) return true;
  throw new UsageError(
    `${prefix}${name.replaceAll('-', '_').toUpperCase()}: got ${JSON.stringify(text)}, expected true or false`,
  );
}

function pair(name: string, text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new UsageError(`input ${name}: got an entry without "=", expected ID=VALUE`);
}

/** Splits a list: by lines, by commas if `commas`, or as JSON. */
function listed(text: string | undefined, commas: boolean): string[] {
  if (text === undefined) return [];
  const json = /^[[{]/.test(text) ? parsed(text) : undefined;
  if (Array.isArray(json)) return json.map(String);
  if (json) return Object.entries(json).map(([key, value]) => `${key}=${value}`);
  return text
    .split(commas ? /[\n,]/ : '\n')
    .map((one) => one.trim())
    .filter((one) => one !== '');
}

function parsed(text: string): object | undefined {
  try {
    return JSON.parse(text) as object;
  } catch {
    return undefined;
  }
}

/** Puts the image before tags that are only tags, as the plugin of Woodpecker does: `repo: r.example/app`, `tags: 1.0`. */
function withRepo(tags: readonly string[], repo: string | undefined): string[] {
  if (repo === undefined) return [...tags];
  const wanted = tags.length === 0 ? ['latest'] : tags;
  return wanted.map((tag) => (/[/:]/.test(tag) ? tag : `${repo}:${tag}`));
}
