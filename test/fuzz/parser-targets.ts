import { FORGES, type ForgeName, forgeEvent, type RepoSettings, repoSettings } from '@kiln/contracts';
import { BadPayload, explain, forge, guessForge, InvalidConfig, parseConfig } from '@kiln/forges';
import fc from 'fast-check';
import { garbled, mutated, odd, RECORDED } from './mutate.ts';
import { CONFIG } from './texts.ts';

export interface Delivery {
  readonly forge: ForgeName;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const forgeName = fc.constantFrom(...FORGES);
const eventHeaders = (event: string) =>
  ({ 'x-github-event': event, 'x-gitea-event': event, 'x-gitlab-event': event, 'x-event-key': event }) as const;

/** What a forge might send: a recorded payload, altered, with its own event or another one, by its own forge or another one. */
export const delivery: fc.Arbitrary<Delivery> = fc.constantFrom(...RECORDED).chain(({ forge: own, event, json }) =>
  fc.record({
    forge: fc.oneof({ weight: 5, arbitrary: fc.constant(own as ForgeName) }, forgeName),
    headers: fc
      .record({
        name: fc.oneof(
          { weight: 5, arbitrary: fc.constant(event) },
          fc.constantFrom('push', 'ping', 'repo:push', 'constructor'),
          fc.string(),
        ),
        type: fc.oneof({ weight: 8, arbitrary: fc.constant('application/json') }, fc.string()),
      })
      .map(({ name, type }) => ({ ...eventHeaders(name), 'content-type': type, 'x-hub-signature-256': 'sha256=0' })),
    body: fc
      .oneof(
        { weight: 6, arbitrary: mutated(json).map((value) => JSON.stringify(value) ?? '') },
        { weight: 1, arbitrary: garbled(JSON.stringify(json)) },
        { weight: 1, arbitrary: odd.map((value) => JSON.stringify(value) ?? '') },
      )
      .map((text) => Buffer.from(text)),
  }),
);

const CONFIGURED = parseConfig(CONFIG);
const SETTINGS: RepoSettings = repoSettings.parse({});

/** Reads a delivery as the webhook endpoint does, and determines what it would build. Returns the event or the error code. @throws where Kiln would fail */
export function readDelivery({ forge: name, headers, body }: Delivery): string {
  const one = forge(name);
  one.verify(headers, body, 'a-secret', 0);
  one.deliveryId(headers);
  try {
    const json = one.payload(headers, body);
    guessForge(json);
    const events = one.events(headers, json);
    for (const event of events) explain(forgeEvent.parse(event), CONFIGURED, SETTINGS, 0);
    return events[0].type;
  } catch (error) {
    if (error instanceof BadPayload) return error.code;
    throw error;
  }
}

/** Reads a `.kiln.yaml`. Returns `good` or the error code. @throws where Kiln would fail */
export function readConfig(text: string): string {
  try {
    parseConfig(text);
    return 'good';
  } catch (error) {
    if (error instanceof InvalidConfig) return error.code;
    throw error;
  }
}
