import { isAbsolute, join } from 'node:path';
import { UsageError } from '../../io/errors.ts';
import type { BakeDefinition } from './evaluate-bake.ts';
import { linkedGroups } from './linked-groups.ts';

/** A target as `kiln build` would build it. */
export interface BakeTarget {
  readonly name: string;
  /** Flags of `kiln build`. */
  readonly args: readonly string[];
  /** The build context. */
  readonly operand: string;
  /** The Dockerfile, if the target contains it. */
  readonly dockerfileText: string | undefined;
  /** Contexts that are the results of other targets: their names, and those of the targets. */
  readonly links: Readonly<Record<string, string>>;
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
  contexts: (value) => pairs('build-context')(unlinked(value)),
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

/**
 * Returns the targets to build, in the order in which they were asked for, each together with those that it is linked to: one build makes all of them. The first of
 * each is one that no other uses, if there is one.
 * @throws UsageError for a target that Kiln can't build
 */
export function bakeTargets({ group = {}, target }: BakeDefinition): (readonly [BakeTarget, ...BakeTarget[]])[] {
  const asked = group.default?.targets ?? Object.keys(target);
  const names = new Set<string>();
  const add = (name: string) => {
    if (Object.hasOwn(target, name)) names.add(name);
    else for (const each of group[name]?.targets ?? []) if (each !== name) add(each);
  };
  for (const name of asked) add(name);
  const targets = new Map<string, BakeTarget>();
  // A set that grows while it is iterated over: what a target uses is built too.
  for (const name of names) {
    const fields = target[name];
    if (!fields) throw new UsageError(`the bake files have no target ${name}`);
    const made = targetOf(name, fields);
    targets.set(name, made);
    for (const used of Object.values(made.links)) names.add(used);
  }
  return linkedGroups([...targets.values()]);
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
  if (dockerfile !== 'Dockerfile')
    args.push(`--file=${isRemote(context) ? dockerfile : inContext(context, dockerfile)}`);
  return {
    name,
    args,
    operand: context,
    dockerfileText: inline === undefined ? undefined : String(inline),
    links: linksOf(fields.contexts),
  };
}

const LINK = 'target:';

function linksOf(contexts: unknown): Record<string, string> {
  const links = Object.entries(contexts ?? {}).filter(([, value]) => isLink(value));
  return Object.fromEntries(links.map(([name, value]) => [name, String(value).slice(LINK.length)]));
}

function unlinked(contexts: unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(contexts ?? {}).filter(([, value]) => !isLink(value)));
}

function isLink(value: unknown): boolean {
  return typeof value === 'string' && value.startsWith(LINK);
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
