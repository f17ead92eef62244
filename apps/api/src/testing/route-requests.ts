import { Readable } from 'node:stream';
import { SnapshotBook } from '@kiln/blobs';
import { contextKey, type OperationId, ROUTES, type RouteDoc } from '@kiln/contracts';
import { delivery, SECRET } from '@kiln/forges/testing';
import { treeOf } from '@kiln/trees/testing';
import { tarOf } from './pack.ts';
import { partsRequest, sendParts } from './send-parts.ts';
import { type TestApi, TOKEN } from './test-api.ts';

/** Settings for APIs that workers can join. */
export const JOIN = { tokens: ['the-join-token'], redisUrl: 'redis://r', namespace: 'n', secretKey: 'k' };

interface RouteRequest {
  readonly path: string;
  readonly init?: RequestInit;
}

const TREE = treeOf({ Dockerfile: 'FROM scratch' });

const CONNECTION = { forge: 'github', team: 'web', webhookSecret: SECRET, repositories: [{ match: ['**'] }] };

function signedPing() {
  const { headers, body } = delivery('github', 'ping');
  return { headers: headers as Record<string, string>, body: new Uint8Array(body) };
}

const json = (value: unknown): RequestInit => ({
  body: JSON.stringify(value),
  headers: { 'content-type': 'application/json' },
});

/** Makes a valid request for every route of the catalogue, for things that exist and, if they have a team, belong to team web. */
export class RouteRequests {
  readonly #api: TestApi;
  readonly #digest: string;
  #secrets = 0;
  #schedules = 0;

  private constructor(api: TestApi, digest: string) {
    this.#api = api;
    this.#digest = digest;
  }

  static async of(api: TestApi): Promise<RouteRequests> {
    // As a version before trees stored it.
    const { digest } = await api.blobs.put('contexts/of-web', Readable.from([await tarOf('Dockerfile')]));
    await api.blobs.put(contextKey(digest), Readable.from([await tarOf('Dockerfile')]));
    await api.state.contextTeams.grant(digest, 'web', 1_000_000);
    return new RouteRequests(api, digest);
  }

  async #snapshot(): Promise<string> {
    const id = this.#api.state.tasks.newId();
    const owner = { repo: 'app', team: 'web', trust: 'trusted' } as const;
    const rest = { createdAt: new Date(0).toISOString(), root: TREE.root, storedBytes: 0, mounts: [] };
    await new SnapshotBook(this.#api.blobs).add({ id, ...owner, ...rest });
    return id;
  }

  async for(id: OperationId): Promise<RouteRequest> {
    const { path }: RouteDoc = ROUTES[id];
    switch (id) {
      case 'submitBuild':
        return { path, init: json({ source: { type: 'git', url: 'https://git.example/app' }, team: 'web' }) };
      case 'retryBuild': {
        const build = await this.#submit();
        await this.#api.fetch(`/v1/builds/${build}/cancel`, { method: 'POST' });
        return { path: path.replace(':id', build) };
      }
      case 'readLog':
        return { path: `${path.replace(':id', await this.#submit())}?follow=false&format=text` };
      case 'removeHost':
        await this.#run();
        return { path: path.replace(':name', 'h1') };
      case 'getTask': {
        const task = await this.#api.state.tasks.create('h1', { type: 'drop', repo: 'team web app' });
        return { path: path.replace(':id', task?.id ?? '') };
      }
      case 'dropCaches':
        return { path, init: json({ team: 'web', kinds: ['outputs'], dryRun: true }) };
      case 'cleanRegistries':
        return { path, init: json({ team: 'web', dryRun: true }) };
      case 'listCacheModes':
        return { path: `${path}?team=web` };
      case 'setCacheMode':
        return { path, init: json({ repo: 'app', team: 'web', mode: 'archive' }) };
      case 'getSnapshot':
      case 'removeSnapshot':
        return { path: path.replace(':id', await this.#snapshot()) };
      case 'addSnapshot':
        return { path, init: json({ repo: 'app', team: 'web', root: `sha256:${'0'.repeat(64)}` }) };
      case 'saveCaches':
        return { path, init: json({ repo: 'cold', team: 'web' }) };
      case 'evaluateBake':
        return { path, init: json({ team: 'web', bake: { files: {} } }) };
      case 'seedCaches':
        return { path, init: json({ repo: 'app', team: 'web', host: 'none' }) };
      case 'changeHost':
        return { path: path.replace(':name', 'h1'), init: json({ slots: 100 }) };
      case 'joinPool':
        return { path, init: json({ name: 'h2' }) };
      case 'readContext':
        return { path: path.replace(':digest', this.#digest) };
      case 'findMissingTreeParts':
      case 'readTreeParts':
        await sendParts(this.#api, TREE.parts, '?team=web');
        return { path: `${path}?team=web`, init: json({ directories: [TREE.root] }) };
      case 'storeTreeParts':
        return { path: `${path}?team=web`, init: await partsRequest(TREE.parts) };
      case 'storeArtifact':
        return { path: path.replace(':name', `${await this.#run()}-1`), init: { body: 'a tar' } };
      case 'storeTrace':
        return { path: path.replace(':name', `${await this.#run()}-1`), init: { body: 'gzipped JSON' } };
      case 'setSecret':
        return { path, init: json({ kind: 'build', name: `S${this.#secrets++}`, value: 'hunter22', team: 'web' }) };
      case 'listSecrets':
        return { path: `${path}?team=web` };
      case 'removeSecret':
        return { path: `${path}?team=web&name=${await this.#secret()}` };
      case 'createToken':
        return { path, init: json({ name: 'new', team: 'web', scopes: ['builds:read'] }) };
      case 'createSession': {
        const { body, headers } = json({ token: TOKEN });
        return { path, init: { body, headers: { ...headers, origin: this.#api.api.url } } as RequestInit };
      }
      case 'createSchedule':
        return { path, init: json(this.#schedule()) };
      case 'readSchedule':
      case 'runSchedule':
      case 'removeSchedule':
        return { path: path.replace(':id', await this.#scheduled()) };
      case 'changeSchedule':
        return { path: path.replace(':id', await this.#scheduled()), init: json({ paused: true }) };
      case 'changeTeamLimits':
        return { path: path.replace(':team', 'web'), init: json({ concurrentBuilds: 9 }) };
      case 'changeTokenLimits':
        return { path: path.replace(':token', (await this.#api.token()).id), init: json({ concurrentBuilds: 9 }) };
      case 'revokeToken':
        return { path: path.replace(':id', (await this.#api.token()).id) };
      case 'receiveWebhook': {
        await this.#connect();
        const { headers, body } = signedPing();
        return { path: path.replace(':forge', 'github').replace(':connection', 'forge'), init: { headers, body } };
      }
      case 'getDelivery':
      case 'redeliver':
        return { path: path.replace(':id', await this.#deliver()) };
      case 'putConnection':
        await this.#connect();
        return { path: path.replace(':name', 'forge'), init: json(CONNECTION) };
      case 'rotateConnectionSecret':
        await this.#connect();
        return { path: path.replace(':name', 'forge'), init: json({}) };
      case 'getConnection':
      case 'deleteConnection':
        await this.#connect();
        return { path: path.replace(':name', 'forge') };
      case 'createWebhook':
        return { path, init: json({ team: 'web', url: 'https://target.example' }) };
      case 'rotateWebhookSecret':
        return { path: path.replace(':id', await this.#webhook()), init: json({}) };
      case 'deleteWebhook':
      case 'listMessages':
      case 'resendMessage':
        return { path: path.replace(':id', await this.#webhook()).replace(':message', `msg_${'a'.repeat(27)}`) };
      default:
        if (path.includes('/builds/:id')) return { path: path.replace(':id', await this.#submit()) };
        return { path: path.replace(':name', 'h1') };
    }
  }

  /** Creates a secret, and returns its name. */
  async #secret(): Promise<string> {
    const name = `S${this.#secrets++}`;
    const content = { kind: 'build', value: 'hunter22' } as const;
    await this.#api.state.secrets.set({ team: 'web', name, untrustedOk: false, content, updatedBy: 'test' });
    return name;
  }

  /** Creates a schedule that isn't due before the test is over. */
  #schedule(): object {
    this.#schedules += 1;
    const request = { source: { type: 'git', url: 'https://git.example/app' }, team: 'web' };
    return { name: `schedule-${this.#schedules}`, cron: '0 0 29 2 *', request };
  }

  async #scheduled(): Promise<string> {
    const answer = await this.#api.post('/v1/schedules', this.#schedule());
    return ((await answer.json()) as { id: string }).id;
  }

  async #connect(): Promise<void> {
    const init = { method: 'PUT', ...json(CONNECTION) };
    const answer = await this.#api.fetch('/v1/connections/forge', init);
    if (!answer.ok) throw new Error(await answer.text());
  }

  /** The id of an outgoing webhook. */
  async #webhook(): Promise<string> {
    const answer = await this.#api.post('/v1/webhooks', { team: 'web', url: 'https://target.example' });
    return ((await answer.json()) as { id: string }).id;
  }

  async #deliver(): Promise<string> {
    await this.#connect();
    const { headers, body } = signedPing();
    const answer = await this.#api.fetch('/v1/hooks/github/forge', { method: 'POST', headers, body });
    return ((await answer.json()) as { id: string }).id;
  }

  async #submit(): Promise<string> {
    return (await this.#api.submit({ team: 'web' })).id;
  }

  /** Runs a build on h1, whatever its orders, and returns its id. */
  async #run(): Promise<string> {
    await this.#api.state.hostOperations.uncordon('h1');
    const id = await this.#submit();
    await this.#api.run(id);
    return id;
  }
}
