import { randomUUID } from 'node:crypto';
import {
  type ConnectionRequest,
  type DeliveryView,
  deliveryView,
  type ForgeEvent,
  type ForgeName,
} from '@kiln/contracts';
import { forge } from '@kiln/forges';
import { delivery, SECRET, StatusApi, sign } from '@kiln/forges/testing';
import { GitServer } from '@kiln/git/testing';
import { vi } from 'vitest';
import type { TestApi } from './test-api.ts';

/** Just below the time limit of a test, as git is slow on a busy machine. */
const PATIENT = { interval: 30, timeout: 110_000 };

/** A webhook as a forge sends it. */
export interface Hook {
  readonly forge: ForgeName;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

export interface HookChange {
  /** Replacements of commits in the payload. */
  readonly commits?: Readonly<Record<string, string>>;
  readonly id?: string;
  /** Replacements of texts in the payload. */
  readonly texts?: Readonly<Record<string, string>>;
}

const ID_HEADERS: Readonly<Record<ForgeName, readonly string[]>> = {
  github: ['x-github-delivery'],
  gitlab: ['idempotency-key'],
  gitea: ['x-gitea-delivery'],
  bitbucket: ['x-request-uuid'],
};

/** Makes the bytes of each webhook unique, as times and ids do in real ones. */
let made = 0;

/** Makes a signed webhook from a recorded payload, with the given commits, its own delivery id and unique bytes. */
export function hook(
  name: ForgeName,
  fixture: string,
  { commits = {}, texts = {}, id = randomUUID() }: HookChange = {},
): Hook {
  const recorded = delivery(name, fixture);
  const pairs = [...Object.entries(commits), ...Object.entries(texts)];
  const text = pairs.reduce((before, [from, to]) => before.replaceAll(from, to), recorded.body.toString());
  made += 1;
  const body = Buffer.from(text + ' '.repeat(made));
  const headers = sign(name, body, recorded.headers).headers as Record<string, string>;
  return {
    forge: name,
    body,
    headers: { ...headers, ...Object.fromEntries(ID_HEADERS[name].map((one) => [one, id])) },
  };
}

/** The same webhook, including the signature, with another delivery id: a replay that anybody who saw it can send. */
export function replayed(one: Hook): Hook {
  const id = randomUUID();
  return {
    ...one,
    headers: { ...one.headers, ...Object.fromEntries(ID_HEADERS[one.forge].map((name) => [name, id])) },
  };
}

/** The event that a recorded payload contains. */
export function recordedEvent(name: ForgeName, fixture: string): ForgeEvent {
  const { headers, body } = delivery(name, fixture);
  const from = forge(name);
  return from.events(headers, from.payload(headers, body))[0];
}

/** The repository of the recorded payloads. */
export function repositoryOf(name: ForgeName): string {
  const event = recordedEvent(name, 'push');
  if (event.type !== 'push') throw new Error(`${name} has no recorded push`);
  return event.repository.fullName;
}

/** A forge for an API: its git server, its status API and connections to it. */
export class TestForge implements AsyncDisposable {
  readonly git: GitServer;
  readonly statuses: StatusApi;
  readonly #api: TestApi;

  private constructor(api: TestApi, git: GitServer, statuses: StatusApi) {
    this.#api = api;
    this.git = git;
    this.statuses = statuses;
  }

  static async start(api: TestApi): Promise<TestForge> {
    return new TestForge(api, await GitServer.start(), await StatusApi.start());
  }

  /** Creates a connection with the forge's name. */
  async connect(name: ForgeName, more: Partial<ConnectionRequest> = {}): Promise<void> {
    const request: ConnectionRequest = {
      ...{ forge: name, team: 'web', webhookSecret: SECRET, apiUrl: this.statuses.url, apiToken: 'status-token' },
      ...(name === 'gitea' && { url: 'https://git.example.org' }),
      repositories: [{ match: [repositoryOf(name)], cloneUrl: `${this.git.origin}/app.git` }],
      ...more,
    };
    const answer = await this.#api.fetch(`/v1/connections/${name}`, {
      method: 'PUT',
      body: JSON.stringify(request),
      headers: { 'content-type': 'application/json' },
    });
    if (!answer.ok) throw new Error(await answer.text());
  }

  send({ forge: name, headers, body }: Hook, connection: string = name): Promise<Response> {
    const path = `/v1/hooks/${name}/${connection}`;
    // Making commits blocks this process, and a kept connection may be closed by the API just when it is used again.
    const all = { connection: 'close', ...headers };
    return fetch(this.#api.api.url + path, { method: 'POST', headers: all, body: new Uint8Array(body) });
  }

  /** Sends a webhook and waits until it has been processed. */
  async delivered(one: Hook): Promise<DeliveryView> {
    const answer = await this.send(one);
    if (answer.status !== 202) throw new Error(await answer.text());
    return this.settled(deliveryView.parse(await answer.json()).id);
  }

  async delivery(id: string): Promise<DeliveryView> {
    return deliveryView.parse(await (await this.#api.fetch(`/v1/hooks/deliveries/${id}`)).json());
  }

  settled(id: string): Promise<DeliveryView> {
    return this.until(id, ({ state }) => state !== 'pending');
  }

  /** Waits until `holds` returns true for a delivery. @throws after 110 s */
  until(id: string, holds: (delivery: DeliveryView) => boolean): Promise<DeliveryView> {
    return vi.waitFor(async () => {
      const now = await this.delivery(id);
      if (!holds(now)) throw new Error(`not true of delivery ${id}, which is ${now.state}: ${holds}`);
      return now;
    }, PATIENT);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.git[Symbol.asyncDispose]();
    await this.statuses[Symbol.asyncDispose]();
  }
}

/** Waits until `holds` returns true. @throws after 110 s */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  await vi.waitFor(async () => {
    if (!(await holds())) throw new Error(`not true: ${holds}`);
  }, PATIENT);
}
