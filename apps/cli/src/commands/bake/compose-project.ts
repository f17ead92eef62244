import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { parse } from 'yaml';
import { UsageError } from '../../io/errors.ts';
import type { Io } from '../../io/output.ts';
import type { BakeDefinition } from './evaluate-bake.ts';
import { fieldsOf } from './yaml-fields.ts';

/** In the order in which docker compose looks for them. */
const FILES = ['compose.yaml', 'compose.yml', 'docker-compose.yaml', 'docker-compose.yml'];
const OVERRIDES = [
  'compose.override.yml',
  'compose.override.yaml',
  'docker-compose.override.yml',
  'docker-compose.override.yaml',
];

/** Which project, as the flags of `docker compose` say it. */
export interface ComposeFlags {
  readonly file: readonly string[];
  readonly 'project-name': string | undefined;
  readonly 'project-directory': string | undefined;
  readonly profile: readonly string[];
}

interface Service {
  readonly hasImage: boolean;
  readonly profiles: readonly string[];
  readonly dependsOn: readonly string[];
}

/** A Compose project. */
export interface ComposeProject {
  readonly name: string;
  /** To which paths in its files are relative. */
  readonly dir: string;
  /** Absolute paths. */
  readonly files: readonly string[];
  readonly profiles: readonly string[];
  readonly services: ReadonlyMap<string, Service>;
}

/** Finds the project as docker compose does: its files, directory and name. @throws UsageError */
export async function composeProject(
  flags: ComposeFlags,
  { cwd, env }: Pick<Io, 'cwd' | 'env'>,
): Promise<ComposeProject> {
  const given = flags.file.length > 0 ? flags.file : listOf(env.COMPOSE_FILE, env.COMPOSE_PATH_SEPARATOR ?? ':');
  const files = given.length > 0 ? given.map((file) => resolve(cwd, file)) : await filesFrom(cwd);
  const dir = resolve(cwd, flags['project-directory'] ?? dirname(files[0] ?? cwd));
  const dotenv = parseEnv((await readFile(resolve(dir, '.env'), 'utf8').catch(() => '')) || '');
  const setting = (name: string) => env[name] || dotenv[name] || undefined;
  const documents = await Promise.all(files.map(read));
  const named = documents.map(({ name }) => name).findLast((name) => typeof name === 'string') as string | undefined;
  const name = flags['project-name'] ?? setting('COMPOSE_PROJECT_NAME') ?? expanded(named, setting) ?? basename(dir);
  return {
    name: normalized(name),
    dir,
    files,
    profiles: [...flags.profile, ...listOf(setting('COMPOSE_PROFILES'), ',')],
    services: servicesOf(documents),
  };
}

/** Looks in the directory and those above it, as docker compose does. @throws UsageError */
async function filesFrom(cwd: string): Promise<string[]> {
  const first = async (dir: string, names: readonly string[]) => {
    for (const name of names) if (await stat(resolve(dir, name)).catch(() => undefined)) return resolve(dir, name);
    return undefined;
  };
  for (let dir = cwd; ; dir = dirname(dir)) {
    const found = await first(dir, FILES);
    const override = found && (await first(dir, OVERRIDES));
    if (found) return override === undefined ? [found] : [found, override];
    if (dirname(dir) === dir)
      throw new UsageError(
        `no Compose file in ${cwd} or above it: expected ${FILES.join(', ')}; name another one with -f FILE`,
      );
  }
}

async function read(file: string): Promise<Readonly<Record<string, unknown>>> {
  const content = await readFile(file, 'utf8').catch((error: Error) => {
    throw new UsageError(`-f ${file}: the Compose file cannot be read: ${error.message}`);
  });
  try {
    return fieldsOf(parse(content, { merge: true }));
  } catch {
    // buildx says what is wrong with it.
    return {};
  }
}

function servicesOf(documents: readonly Readonly<Record<string, unknown>>[]): Map<string, Service> {
  const services = new Map<string, Service>();
  for (const [name, value] of documents.flatMap((document) => Object.entries(fieldsOf(document.services)))) {
    const { image, profiles, depends_on: needs } = fieldsOf(value);
    const before = services.get(name);
    services.set(name, {
      hasImage: before?.hasImage === true || typeof image === 'string',
      profiles: [...(before?.profiles ?? []), ...textsOf(profiles)],
      dependsOn: [
        ...(before?.dependsOn ?? []),
        ...(Array.isArray(needs) ? textsOf(needs) : Object.keys(fieldsOf(needs))),
      ],
    });
  }
  return services;
}

/** What of a project is built, and where its images go. */
export interface ComposeBuild {
  readonly services: readonly string[];
  readonly withDependencies: boolean;
  readonly push: boolean;
  readonly load: boolean;
}

/**
 * Changes what buildx makes of Compose files into what docker compose builds: only services of active profiles, with the labels and names that compose gives images, which are
 * loaded into the engine unless they are pushed.
 * @throws UsageError for a service that the project doesn't have
 */
export function composeDefinition(
  definition: BakeDefinition,
  project: ComposeProject,
  build: ComposeBuild,
): BakeDefinition {
  const target = Object.fromEntries(
    Object.entries(definition.target).map(([name, fields]) => [name, composed(name, fields, project, build)]),
  );
  return {
    ...definition,
    group: { ...definition.group, default: { targets: askedFor(definition, project, build) } },
    target,
  };
}

function askedFor(
  { group, target }: BakeDefinition,
  { services, profiles }: ComposeProject,
  build: ComposeBuild,
): string[] {
  const unknown = build.services.find((name) => !services.has(name) && !Object.hasOwn(target, targetName(name)));
  if (unknown !== undefined) throw new UsageError(`the Compose files have no service ${unknown}`);
  const asked = new Set(
    build.services.length > 0 ? build.services.map(targetName) : (group?.default?.targets ?? Object.keys(target)),
  );
  const byTarget = new Map([...services].map(([name, service]) => [targetName(name), service]));
  const isActive = (name: string) => {
    const own = byTarget.get(name)?.profiles ?? [];
    return own.length === 0 || profiles.includes('*') || own.some((profile) => profiles.includes(profile));
  };
  if (build.services.length === 0) for (const name of asked) if (!isActive(name)) asked.delete(name);
  // A set that grows while it is iterated over.
  if (build.withDependencies)
    for (const name of asked) for (const needed of byTarget.get(name)?.dependsOn ?? []) asked.add(targetName(needed));
  return [...asked].filter((name) => Object.hasOwn(target, name));
}

type Fields = Readonly<Record<string, unknown>>;

function composed(
  name: string,
  fields: Fields,
  { name: project, services }: ComposeProject,
  { push, load }: ComposeBuild,
): Fields {
  const service = [...services.keys()].find((one) => targetName(one) === name) ?? name;
  const given = textsOf(fields.tags);
  const hasImage = services.get(service)?.hasImage ?? given.length > 0;
  const isOnePlatform = textsOf(fields.platforms).length < 2;
  const labels = {
    ...fieldsOf(fields.labels),
    'com.docker.compose.project': project,
    'com.docker.compose.service': service,
  };
  const { output, ...rest } = fields;
  const wanted = push ? hasImage && output : (output ?? (load && isOnePlatform && ['type=docker']));
  return {
    ...rest,
    labels,
    tags: hasImage ? given : [`${project}-${service}`, ...given],
    ...(wanted ? { output: wanted } : {}),
  };
}

/** buildx names targets after services, without dots. */
function targetName(service: string): string {
  return service.replaceAll('.', '_');
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

function listOf(text: string | undefined, separator: string): string[] {
  return (text ?? '').split(separator).filter((part) => part !== '');
}

const VARIABLE = /\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))/g;

function expanded(text: string | undefined, setting: (name: string) => string | undefined): string | undefined {
  return text?.replace(
    VARIABLE,
    (_, braced: string | undefined, bare: string | undefined) => setting(braced ?? bare ?? '') ?? '',
  );
}

/** As docker compose makes a name of a directory's. */
function normalized(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, '')
    .replace(/^[_-]+/, '');
}
