import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { KilnProblem, KilnUnreachable } from '@kiln/client';
import type { BuildRequestInput, BuildView } from '@kiln/contracts';
import { contextOf } from '../support/context.ts';
import { DEBIAN } from '../support/dockerfiles.ts';
import type { Pool } from '../support/pool/pool.ts';
import type { PlannedBuild } from './plan.ts';

/** What a client knows about a build that was accepted. */
export interface Promised {
  readonly plan: PlannedBuild;
  readonly id: string;
  /** Tag that the build pushes. */
  readonly tag?: string;
  /** Ids of the records that a follower of its log received. */
  readonly watched?: readonly string[];
}

export interface ClientReport {
  readonly promised: readonly Promised[];
  /** Broken promises that the client itself noticed. */
  readonly faults: readonly string[];
}

const GIVE_UP_MS = 120_000;
/** Time after which a client that gets no answer tries the other API. */
const TURN_AFTER_MS = 2_000;
const SECRET = 's3cret-of-the-fault-run';

/** Does everything that one client does for one build: submits it, follows its log, cancels it, waits for its end, and may retry it. */
export async function runClient(pool: Pool, registry: string, run: string, plan: PlannedBuild): Promise<ClientReport> {
  const faults: string[] = [];
  const tag = plan.kind === 'push' ? `${registry}/faults/${run}-${plan.index}:1` : undefined;
  const id = await submit(pool, plan, `${run}-${plan.index}`, tag, faults);
  const watching = plan.watched ? watch(pool, plan, id) : undefined;
  if (plan.kind === 'canceled') await cancel(pool, plan, id);
  const ended = await pool.clientOf(plan.api).waitForEnd(id, { giveUpAfterMs: GIVE_UP_MS });
  const watched = await watching;
  const promised: Promised[] = [{ plan, id, ...(tag !== undefined && { tag }), ...(watched && { watched }) }];
  if (plan.kind === 'broken' && plan.retried && ended.state === 'failed') {
    const again = await retry(pool, plan, id);
    if (again) {
      promised.push({ plan, id: again.id });
      await pool.clientOf(plan.api).waitForEnd(again.id, { giveUpAfterMs: GIVE_UP_MS });
    }
  }
  return { promised, faults };
}

/** Submits with the same idempotency key to one API and the other in turn until one answers. */
async function submit(
  pool: Pool,
  plan: PlannedBuild,
  key: string,
  tag: string | undefined,
  faults: string[],
): Promise<string> {
  const { request, dockerfile } = requestOf(plan, tag);
  const context = await contextOf({ Dockerfile: dockerfile });
  const submitTo = async (api: string, giveUpAfterMs: number): Promise<BuildView> =>
    await pool.clientOf(api).submit(request, { context, idempotencyKey: key, giveUpAfterMs });
  const end = performance.now() + GIVE_UP_MS;
  for (let api = plan.api; ; api = other(api)) {
    try {
      const { id } = await submitTo(api, TURN_AFTER_MS);
      if (plan.repeated) {
        const { id: again } = await submitTo(other(api), GIVE_UP_MS);
        if (again !== id) faults.push(`build ${plan.index}: the same idempotency key returned ${id} and ${again}`);
      }
      return id;
    } catch (error) {
      if (!isTransient(error) || performance.now() > end) throw error;
    }
  }
}

async function watch(pool: Pool, { api }: PlannedBuild, id: string): Promise<string[]> {
  return await Array.fromAsync(pool.clientOf(api).followLog(id, { giveUpAfterMs: GIVE_UP_MS }), (record) => record.id);
}

async function cancel(pool: Pool, { api, cancelAfterMs }: PlannedBuild, id: string): Promise<void> {
  // The plan's own delay, so that the cancel comes at any moment of the build.
  await delay(cancelAfterMs);
  try {
    await pool.clientOf(api).cancel(id, { giveUpAfterMs: GIVE_UP_MS });
  } catch (error) {
    if (!(error instanceof KilnProblem && error.problem.code === 'already_finished')) throw error;
  }
}

/** Retries a build. Returns undefined if the answer was lost; the audit finds the new build in the pool's own list, if there is one. */
async function retry(pool: Pool, { api }: PlannedBuild, id: string): Promise<BuildView | undefined> {
  try {
    return await pool.clientOf(api).retry(id);
  } catch (error) {
    if (isTransient(error)) return undefined;
    throw error;
  }
}

function isTransient(error: unknown): boolean {
  return error instanceof KilnUnreachable || (error instanceof KilnProblem && error.problem.status >= 500);
}

function other(api: string): string {
  return api === '1' ? '2' : '1';
}

function requestOf(plan: PlannedBuild, tag: string | undefined): { request: BuildRequestInput; dockerfile: string } {
  const source = { type: 'upload', name: `faults-${plan.index % 7}` } as const;
  const from = `FROM ${DEBIAN}`;
  // Unique, so that no step is cached and each RUN really runs.
  const nonce = randomUUID();
  const chat = `i=0; while [ $i -lt ${plan.lines} ]; do i=$((i+1)); echo "line $i"; sleep 0.05; done`;
  const file = `${from} AS build\nRUN --network=none echo ${nonce} > /f\nFROM scratch\nCOPY --from=build /f /f\n`;
  switch (plan.kind) {
    case 'quick':
      return { request: { source }, dockerfile: `${from}\nRUN --network=none echo ${nonce}\n` };
    case 'chatty':
      return { request: { source }, dockerfile: `${from}\nRUN --network=none : ${nonce}; ${chat}\n` };
    case 'canceled':
      return { request: { source }, dockerfile: `${from}\nRUN --network=none : ${nonce}; ${chat}; sleep 5\n` };
    case 'broken':
      return { request: { source }, dockerfile: `${from}\nRUN --network=none : ${nonce}; ${chat}; exit 3\n` };
    case 'secret':
      return {
        request: { source, secrets: { word: SECRET } },
        dockerfile: `${from}\nRUN --network=none --mount=type=secret,id=word : ${nonce}; grep -q ${SECRET} /run/secrets/word\n`,
      };
    case 'push':
      return { request: { source, tags: [tag ?? ''], output: { type: 'push' } }, dockerfile: file };
    case 'artifact':
      return { request: { source, output: { type: 'artifact' } }, dockerfile: file };
  }
}
