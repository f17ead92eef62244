import type { TestRedisOptions } from '@kiln/state/testing';
import { expect } from 'vitest';
import { outputOf } from '../logs.ts';
import type { PoolOptions, Role, SubmitRequest } from '../pool/options.ts';
import type { Pool } from '../pool/pool.ts';
import { startPool } from '../pool/start-pool.ts';
import {
  type ExpectedBuilt,
  type ExpectedView,
  expectBuilt,
  expectCold,
  expectEnd,
  expectWaitsForHostOf,
  expectWarm,
} from './expectations.ts';
import { type MakeDockerfile, type ScenarioBuild, Story } from './story.ts';

export interface ScenarioHost {
  /** Repos that are built on the host before the story begins, so that it is warm for them. */
  readonly warm?: readonly string[];
  /** Further settings of its worker. */
  readonly env?: NodeJS.ProcessEnv;
  /** `later`: the story starts its worker by `start('worker', name)`. */
  readonly starts?: 'later';
}

interface Step {
  readonly title: string;
  readonly run: (story: Story) => Promise<unknown>;
}

/**
 * Begins a story about a pool, told as a chain of steps, which `run` carries out one after the other:
 *
 *     await scenario().redis().host('a', { warm: ['app'] }).host('b')
 *       .submit('app#2').expectBuilt('app#2', { cache: 'warm', reason: 'warm', host: 'a' }).run();
 *
 * Builds are named by their repo; further ones of a repo also have a number: `app`, `app#2`, `app#3`.
 * @param pool a pool that several tests share; without it, the scenario starts the pool that its first steps describe
 */
export function scenario(pool?: Pool): Scenario {
  return new Scenario(pool);
}

export class Scenario {
  readonly #given: Pool | undefined;
  readonly #hosts = new Map<string, ScenarioHost>();
  readonly #steps: Step[] = [];
  #options: PoolOptions = {};
  #dockerfile: MakeDockerfile | undefined;

  constructor(pool?: Pool) {
    this.#given = pool;
  }

  /** Options of Redis. Without options, it only states that there is one, as in every pool. */
  redis(options: Pick<TestRedisOptions, 'appendFsync'> = {}): this {
    return this.#with(options);
  }

  /** Adds a host. On a given pool, the host must exist, and is only made warm. */
  host(name: string, options: ScenarioHost = {}): this {
    this.#hosts.set(name, options);
    return this;
  }

  /** Dockerfile of the builds that name none. */
  builds(dockerfile: MakeDockerfile): this {
    this.#dockerfile = dockerfile;
    return this;
  }

  /** Submits a build. */
  submit(name: string, build: ScenarioBuild | ((story: Story) => ScenarioBuild) = {}): this {
    return this.step(`submit ${name}`, (story) =>
      story.submit(name, typeof build === 'function' ? build(story) : build),
    );
  }

  /** Submits a build whose RUN hangs until `release`, and waits until it does. */
  hang(name: string, request: SubmitRequest = {}): this {
    return this.step(`hang ${name}`, (story) => story.hang(name, request));
  }

  /** Waits until the RUN of this attempt of a hanging build hangs. */
  expectHangs(name: string, attempt: number): this {
    return this.step(`expect attempt ${attempt} of ${name} to hang`, (story) => story.hanging(name).hangs(attempt));
  }

  /** Follows the log of a build from now on. */
  follow(name: string): this {
    return this.step(`follow the log of ${name}`, async (story) => story.follow(name));
  }

  /** Lets the RUN of a hanging build continue. */
  release(name: string): this {
    return this.step(`release ${name}`, (story) => story.hanging(name).release());
  }

  kill(role: Role, name: string): this {
    return this.step(`kill ${role} ${name}`, ({ pool }) => pool.kill(role, name));
  }

  start(role: Role, name: string): this {
    return this.step(`start ${role} ${name}`, ({ pool }) => pool.start(role, name));
  }

  /** See `expectBuilt` of `expectations.ts`; likewise the other ones. */
  expectBuilt(name: string, expected: ExpectedBuilt): this {
    return this.step(`expect that ${name} is built`, (story) => expectBuilt(story, name, expected));
  }

  expectEnd(name: string, expected: ExpectedView): this {
    return this.step(`expect the end of ${name}`, (story) => expectEnd(story, name, expected));
  }

  expectWaitsForHostOf(name: string, other: string): this {
    return this.step(`expect that ${name} waits for the host of ${other}`, (story) =>
      expectWaitsForHostOf(story, name, other),
    );
  }

  expectWarm(name: string): this {
    return this.step(`expect a warm host of ${name}`, (story) => expectWarm(story, name));
  }

  expectCold(name: string): this {
    return this.step(`expect a cold host of ${name}`, (story) => expectCold(story, name));
  }

  /** Expects that each of the builds ran on a host of its own. */
  expectApart(...names: string[]): this {
    return this.step(`expect ${names.join(', ')} on different hosts`, async (story) => {
      const hosts = await Promise.all(names.map((name) => story.hostOf(name)));
      expect(new Set(hosts).size, hosts.join()).toBe(names.length);
    });
  }

  /** Expects that the steps of an ended build printed exactly this. */
  expectOutput(name: string, output: string): this {
    return this.step(`expect the output of ${name}`, async ({ pool, build }) => {
      expect(outputOf(await pool.log(build(name).id))).toBe(output);
    });
  }

  /** Expects that the RUN of a hanging build is gone, without having been released. */
  expectStopped(name: string): this {
    return this.step(`expect that ${name} is stopped`, (story) => story.hanging(name).stopped());
  }

  /** Any other step. */
  step(title: string, run: (story: Story) => Promise<unknown>): this {
    this.#steps.push({ title, run });
    return this;
  }

  /** Carries the steps out. @throws the error of the failed step, with the step's title in its message */
  async run(): Promise<void> {
    if (this.#given) return await this.#runOn(this.#given);
    const hosts = [...this.#hosts];
    const workers = hosts.filter(([, { starts }]) => starts !== 'later').map(([name]) => name);
    const workerEnv = Object.fromEntries(hosts.map(([name, { env = {} }]) => [name, env]));
    await using pool = await startPool({ ...this.#options, workerEnv, ...(hosts.length > 0 && { workers }) });
    await this.#runOn(pool);
  }

  async #runOn(pool: Pool): Promise<void> {
    const story = new Story(pool, this.#dockerfile);
    for (const { title, run } of [...this.#warming(), ...this.#steps]) {
      await run(story).catch((error: unknown) => {
        if (error instanceof Error) error.message = `${title}: ${error.message}`;
        throw error;
      });
    }
  }

  /** Builds go to the host that is to be warm by its label. They run side by side. */
  #warming(): Step[] {
    const repos = [...this.#hosts].flatMap(([host, { warm = [] }]) => warm.map((repo) => ({ host, repo })));
    if (repos.length === 0) return [];
    const run = async (story: Story) => {
      await Promise.all(repos.map(({ host, repo }) => story.submit(repo, { hostLabels: { name: host } })));
      for (const { repo } of repos) await expectEnd(story, repo, { state: 'succeeded' });
      for (const { repo } of repos) await expectWarm(story, repo);
    };
    return [{ title: 'make hosts warm', run }];
  }

  #with(options: PoolOptions): this {
    if (this.#given) throw new Error('the pool is given: it cannot be configured by the scenario');
    this.#options = { ...this.#options, ...options };
    return this;
  }
}
