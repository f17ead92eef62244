import { randomUUID } from 'node:crypto';
import type { BuildView } from '@kiln/contracts';
import { hanging, quick } from '../dockerfiles.ts';
import { FollowedLog } from '../followed-log.ts';
import type { HangingBuild } from '../pool/hanging-build.ts';
import type { SubmitRequest } from '../pool/options.ts';
import type { Pool } from '../pool/pool.ts';

export type ScenarioBuild = SubmitRequest & {
  /** Default: the scenario's `builds`. */
  readonly dockerfile?: string;
};

/** Makes the Dockerfile of a build out of a text that no other build has. */
export type MakeDockerfile = (unique: string) => string;

/** The pool of a running scenario, and its builds by name. */
export class Story {
  readonly pool: Pool;
  readonly #dockerfile: MakeDockerfile;
  readonly #builds = new Map<string, BuildView>();
  readonly #hanging = new Map<string, HangingBuild>();
  readonly #followed = new Map<string, FollowedLog>();

  constructor(pool: Pool, dockerfile: MakeDockerfile = quick) {
    this.pool = pool;
    this.#dockerfile = dockerfile;
  }

  /** The build as it was when it was submitted. */
  readonly build = (name: string): BuildView => found(this.#builds, name);

  readonly hanging = (name: string): HangingBuild => found(this.#hanging, name);

  readonly followed = (name: string): FollowedLog => found(this.#followed, name);

  /** Every build of the scenario, in the order of submission. */
  get builds(): readonly BuildView[] {
    return [...this.#builds.values()];
  }

  /** Host that runs the build, or ran it last. */
  readonly hostOf = async (name: string): Promise<string> => {
    const { host } = await this.pool.client.get(this.build(name).id);
    if (host === undefined) throw new Error(`build ${name} has no host`);
    return host;
  };

  async submit(name: string, { dockerfile, ...request }: ScenarioBuild): Promise<void> {
    this.#claim(name);
    const text = dockerfile ?? this.#dockerfile(randomUUID());
    this.#builds.set(name, await this.pool.submit(text, { name: repoOf(name), ...request }));
  }

  async hang(name: string, request: SubmitRequest): Promise<void> {
    this.#claim(name);
    const build = await this.pool.hang(hanging, { name: repoOf(name), ...request });
    this.#hanging.set(name, build);
    this.#builds.set(name, await this.pool.client.get(build.id));
  }

  follow(name: string): void {
    this.#followed.set(name, new FollowedLog(this.pool.client, this.build(name).id));
  }

  #claim(name: string): void {
    if (this.#builds.has(name)) throw new Error(`the scenario already has a build named ${name}`);
  }
}

/** `app#2` is a build of the repo `app`. */
export function repoOf(name: string): string {
  return name.replace(/#\d+$/, '');
}

function found<T>(map: ReadonlyMap<string, T>, name: string): T {
  const value = map.get(name);
  if (value === undefined) throw new Error(`the scenario has no such build named ${name}; known: ${[...map.keys()]}`);
  return value;
}
