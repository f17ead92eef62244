/** An argument list of `docker-buildx build`, as `buildxArguments` returns it, for one target. */
type BuildArguments = readonly string[];

type Key = { readonly key: string } & (
  | { readonly as: 'text' | 'list' | 'true' }
  | { readonly as: 'map'; readonly separator: '=' | ':' }
  | { readonly as: 'attestation'; readonly type: string }
);

/** Where a target of a bake file has what a flag says. */
const KEYS: Readonly<Record<string, Key>> = {
  file: { key: 'dockerfile', as: 'text' },
  target: { key: 'target', as: 'text' },
  'build-arg': { key: 'args', as: 'map', separator: '=' },
  'build-context': { key: 'contexts', as: 'map', separator: '=' },
  label: { key: 'labels', as: 'map', separator: '=' },
  platform: { key: 'platforms', as: 'list' },
  tag: { key: 'tags', as: 'list' },
  annotation: { key: 'annotations', as: 'list' },
  'no-cache': { key: 'no-cache', as: 'true' },
  'no-cache-filter': { key: 'no-cache-filter', as: 'list' },
  'add-host': { key: 'extra-hosts', as: 'map', separator: ':' },
  'cache-from': { key: 'cache-from', as: 'list' },
  'cache-to': { key: 'cache-to', as: 'list' },
  pull: { key: 'pull', as: 'true' },
  secret: { key: 'secret', as: 'list' },
  output: { key: 'output', as: 'list' },
  provenance: { key: 'attest', as: 'attestation', type: 'provenance' },
  sbom: { key: 'attest', as: 'attestation', type: 'sbom' },
  'shm-size': { key: 'shm-size', as: 'text' },
  ulimit: { key: 'ulimits', as: 'list' },
};
/** What these flags stand for. */
const SHORT: Readonly<Record<string, string>> = {
  '--push': '--output=type=registry',
  '--load': '--output=type=docker',
};
/** Flags that are given for the whole run, and limits that bake files don't have. */
const LEFT_OUT: ReadonlySet<string> = new Set(['builder', 'progress', 'metadata-file', 'memory', 'cpus']);

/**
 * Returns a bake file, as JSON, whose targets are built as `buildx build` would build them with these arguments. No text in it is evaluated by buildx.
 * @throws Error for a flag that has no place in a bake file
 */
export function bakeDefinition(targets: ReadonlyMap<string, BuildArguments>): object {
  return { target: Object.fromEntries([...targets].map(([name, args]) => [name, targetOf(args)])) };
}

function targetOf([command, ...args]: BuildArguments): object {
  const context = args.at(-1);
  if (command !== 'build' || context === undefined) throw new Error('not the arguments of a build');
  const target: Record<string, unknown> = { context: literal(context) };
  for (const arg of args.slice(0, -1)) add(target, SHORT[arg] ?? arg);
  return target;
}

function add(target: Record<string, unknown>, arg: string): void {
  const [, flag = '', given] = /^--([a-z-]+)(?:=(.*))?$/s.exec(arg) ?? [];
  if (LEFT_OUT.has(flag)) return;
  const found = KEYS[flag];
  if (!found || (given === undefined) !== (found.as === 'true'))
    throw new Error(`--${flag} has no place in a bake file`);
  const { key } = found;
  const value = given ?? '';
  switch (found.as) {
    case 'true':
      target[key] = true;
      return;
    case 'text':
      target[key] = literal(value);
      return;
    case 'list':
      target[key] = [...listAt(target, key), ...(key === 'platforms' ? value.split(',') : [value]).map(literal)];
      return;
    case 'attestation':
      target[key] = [...listAt(target, key), literal(`type=${found.type},${attestation(value)}`)];
      return;
    case 'map': {
      const at = value.indexOf(found.separator);
      const pair = { [literal(value.slice(0, at))]: literal(value.slice(at + 1)) };
      target[key] = { ...(target[key] as object | undefined), ...pair };
    }
  }
}

function listAt(target: Readonly<Record<string, unknown>>, key: string): readonly string[] {
  return (target[key] as readonly string[] | undefined) ?? [];
}

/** As buildx reads `--provenance` and `--sbom`. */
function attestation(value: string): string {
  if (value === 'true') return 'disabled=false';
  return value === 'false' ? 'disabled=true' : value;
}

/** Escapes what HCL would evaluate in a text: buildx treats all texts of a bake file as templates, also those of a JSON file. */
function literal(text: string): string {
  return text.replace(/[$%](?=\{)/g, (sign) => sign + sign);
}
