import { isAbsolute, join } from 'node:path';
import { UsageError } from '../../io/errors.ts';
import type { BakeDefinition } from './evaluate-bake.ts';

/** A target as `kiln build` would build it. */
export interface BakeTarget {
  readonly name: string;
  /** Flags of `kiln build`. */
  readonly args: readonly string[];
  /** The build context. */
  readonly operand: string;
  /** The Dockerfile, if the target contains it. */
  readonly dockerfileText: string | undefined;
}

type Value = string | boolean;

/** Flags for keys of a target. A value that is an object is written as `key=value,…`. */
const FLAGS: Readonly<Record<string, (value: unknown) => readonly (readonly [flag: string, value: Value])[]>> = {
  annotations: each('annotation'),
  args: pairs('build-arg'),
  attest: each('attest'),
  'cache-from': each('cache-from'),
  'cache-to': each('cache-to'),
  call: one('call'),
  contexts: pairs('build-context'),
  entitlements: each('allow'),
  'extra-hosts': pairs('add-host'),
  labels: pairs('label'),
  network: one('network'),
  'no-cache': one('no-cache'),
  'no-cache-filter': each('no-cache-filter'),
  output: each('output'),
  platforms: each('platform'),
  pull: one('pull'),
  secret: each('secret'),
  'shm-size': one('shm-size'),
  ssh: each('ssh'),
  tags: each('tag'),
  target: one('target'),
  ulimits: each('ulimit'),
};
/** Keys that say where the build is, or nothing about it. */
const OTHERS = ['context', 'dockerfile', 'dockerfile-inline', 'description', 'inherits', 'matrix', 'name'];

/** Returns the targets to build, in the order in which they were asked for. @throws UsageError for one that Kiln can't build */
export function bakeTargets({ group = {}, target }: BakeDefinition): BakeTarget[] {
  const asked = group.default?.targets ?? Object.keys(target);
  const names = new Set<string>();
  const add = (name: string) => {
    if (Object.hasOwn(target, name)) names.add(name);
    else for (const each of group[name]?.targets ?? []) if (each !== name) add(each);
  };
  for (const name of asked) add(name);
  return [...names].map((name) => targetOf(name, target[name] ?? {}));
}

function targetOf(name: string, fields: Readonly<Record<string, unknown>>): BakeTarget {
  const context = String(fields.context ?? '.').replace(/^cwd:\/\//, '');
  const inline = fields['dockerfile-inline'];
  const dockerfile = fields.dockerfile === undefined || inline !== undefined ? 'Dockerfile' : String(fields.dockerfile);
  const args: string[] = [];
  for (const [key, value] of Object.entries(fields)) {
    if (OTHERS.includes(key) || value === null) continue;
    const flagsOf = FLAGS[key];
    if (!flagsOf)
      throw new UsageError(`target ${name}: ${key} is not supported, and the result would differ without it`);
    for (const [flag, text] of flagsOf(value)) args.push(`--${flag}=${text}`);
  }
  checkLinks(name, fields.contexts);
  if (dockerfile !== 'Dockerfile')
    args.push(`--file=${isRemote(context) ? dockerfile : inContext(context, dockerfile)}`);
  return { name, args, operand: context, dockerfileText: inline === undefined ? undefined : String(inline) };
}

function checkLinks(name: string, contexts: unknown): void {
  for (const [context, value] of Object.entries(contexts ?? {})) {
    if (typeof value !== 'string' || !value.startsWith('target:')) continue;
    throw new UsageError(
      `target ${name}: its context ${context} is the result of the target ${value.slice('target:'.length)}; ` +
        'targets that use others’ results are not supported: make the other one a stage of the same Dockerfile',
    );
  }
}

/** The Dockerfile's path is relative to the context, unlike that of `-f`. */
function inContext(context: string, dockerfile: string): string {
  return isAbsolute(dockerfile) ? dockerfile : join(context, dockerfile);
}

function isRemote(context: string): boolean {
  return /^(?:[a-z]+:\/\/|github\.com\/|[^/:@]+@[^/:]+:)/.test(context);
}

function one(flag: string) {
  return (value: unknown) => [[flag, typeof value === 'boolean' ? value : String(value)] as const];
}

function each(flag: string) {
  return (value: unknown) => (value as readonly unknown[]).map((item) => [flag, fieldText(item)] as const);
}

function pairs(flag: string) {
  return (value: unknown) =>
    Object.entries(value as Record<string, unknown>)
      .filter(([, text]) => text !== null)
      .map(([key, text]) => [flag, `${key}=${text}`] as const);
}

/** Newer versions of buildx print the fields of a value, older ones their text. */
function fieldText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([key, field]) => csvField(`${key}=${field}`))
    .join(',');
}

function csvField(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
