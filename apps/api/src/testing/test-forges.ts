import { type BuildView, type DeliveryView, FORGES, type ForgeName } from '@kiln/contracts';
import { allowedHosts } from '@kiln/runtime';
import type { TestRedis } from '@kiln/state/testing';
import { TestApi } from './test-api.ts';
import { type Hook, type HookChange, hook, recordedEvent, TestForge } from './test-forge.ts';

/** Lets the API reach the forge of the test. */
export const LOOPBACK = allowedHosts.parse('loopback');

export const CONFIG = `version: 1
on: { push: null, pull_request: null }
images:
  - { name: api, context: services/api, paths: ['services/api/**'], supersede: running }
  - { name: docs, context: docs, paths: ['docs/**'], tags: ['r.example/docs:{sha}'], output: push }
`;

/** An API with a connection of every kind of forge, all to one git server whose first commit contains `CONFIG`. */
export class TestForges implements AsyncDisposable {
  readonly api: TestApi;
  readonly forge: TestForge;
  readonly first: string;

  private constructor(api: TestApi, forge: TestForge, first: string) {
    this.api = api;
    this.forge = forge;
    this.first = first;
  }

  static async start(redis: TestRedis): Promise<TestForges> {
    const api = await TestApi.start({ hookRetryMs: 1 }, { redis, allowed: LOOPBACK });
    const forge = await TestForge.start(api);
    const first = forge.git.commit({ '.kiln.yaml': CONFIG, 'services/api/a.ts': '1' });
    for (const name of FORGES) await forge.connect(name);
    return new TestForges(api, forge, first);
  }

  /** All builds of the connections' team. */
  async builds(): Promise<BuildView[]> {
    return ((await (await this.api.fetch('/v1/builds?team=web')).json()) as { builds: BuildView[] }).builds;
  }

  /** The builds that a delivery made. */
  built(delivery: DeliveryView): Promise<BuildView[]> {
    return Promise.all(delivery.builds.map((id) => this.api.view(id)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.forge[Symbol.asyncDispose]();
    await this.api[Symbol.asyncDispose]();
  }
}

/** A recorded push of `main` that moves it from one commit to another. */
export function push(name: ForgeName, from: string, to: string, more: HookChange = {}): Hook {
  const event = recordedEvent(name, 'push');
  if (event.type !== 'push' || event.before === null || event.after === null) {
    throw new Error(`the payload of ${name} is not a push from one commit to another`);
  }
  return hook(name, 'push', { ...more, commits: { [event.before]: from, [event.after]: to, ...more.commits } });
}

/** A recorded event of a pull request with this commit as its head. */
export function pull(name: ForgeName, fixture: string, head: string, more: HookChange = {}): Hook {
  const event = recordedEvent(name, fixture);
  if (event.type !== 'pull_request') throw new Error(`${fixture} of ${name} is not a pull request`);
  return hook(name, fixture, { ...more, commits: { [event.head.commit]: head } });
}

/** A recorded push of a tag to this commit. */
export function pushTag(name: ForgeName, fixture: string, commit: string): Hook {
  const event = recordedEvent(name, fixture);
  if (event.type !== 'tag' || event.commit === null) throw new Error(`${fixture} of ${name} is not a pushed tag`);
  return hook(name, fixture, { commits: { [event.commit]: commit } });
}

/** Image → outcome. */
export function outcomes({ events }: DeliveryView): Record<string, string> {
  return Object.fromEntries(events.flatMap(({ images }) => images.map((one) => [one.image, one.outcome])));
}
