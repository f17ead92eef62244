import { buildRequest, type ForgeEvent, type ForgeName, repoSettings } from '@kiln/contracts';
import { parseConfig } from '../config/parse-config.ts';
import { explain, type ImageVerdict } from '../explain/explain.ts';
import { eventsOf, NOW_MS } from './fixtures.ts';

export const CONFIG = `version: 1
on:
  push: { branches: [main, 'release/**', '!release/old/**'], tags: ['v*'] }
  pull_request: { branches: [main] }
images:
  - name: api
    context: services/api
    paths: ['services/api/**']
    paths-ignore: ['**/*.md']
    tags:
      - registry.example.org/harbor/api:{branch}
      - registry.example.org/harbor/api:{tag}
      - registry.example.org/harbor/api:pr-{pr}-{shortSha}
      - registry.example.org/harbor/api:latest
    output: push
    secrets: [NPM_TOKEN, { id: key, name: SIGNING_KEY }]
    priority: interactive
  - name: docs
    on: { push: { branches: ['*'] } }
    paths: ['docs/**', '!docs/old/**']
    supersede: queued
    buildArgs: { FORMAT: html }
`;

export const server = repoSettings.parse({});

export function verdicts(
  event: ForgeEvent,
  { config = CONFIG, settings = {} }: { config?: string; settings?: object } = {},
): Record<string, ImageVerdict> {
  const { images } = explain(event, parseConfig(config), repoSettings.parse(settings), NOW_MS);
  return Object.fromEntries(images.map((verdict) => [verdict.image, verdict]));
}

export const first = (name: ForgeName, fixture: string) => eventsOf(name, fixture)[0];

export function secretsOf(verdict: ImageVerdict | undefined) {
  return verdict?.outcome === 'build' ? verdict.secrets : undefined;
}

export function push(change: Partial<Extract<ForgeEvent, { type: 'push' }>> = {}): ForgeEvent {
  return { ...(first('github', 'push') as Extract<ForgeEvent, { type: 'push' }>), ...change };
}
export const changed = (...paths: string[]) => ({ changed: { complete: true as const, paths } });

export function pull(change: Partial<Extract<ForgeEvent, { type: 'pull_request' }>> = {}): ForgeEvent {
  return {
    ...(first('github', 'pull_request-opened') as Extract<ForgeEvent, { type: 'pull_request' }>),
    ...change,
  };
}

/** The planned request as the API parses it, without the fields about superseding and cache scope. */
export function request(verdict: ImageVerdict | undefined) {
  if (verdict?.outcome !== 'build') throw new Error(`expected a build, got ${JSON.stringify(verdict)}`);
  const { concurrencyKey: _, supersede: __, cacheScope: ___, ...known } = verdict.request;
  return buildRequest.parse(known);
}
