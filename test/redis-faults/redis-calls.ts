import { REDIS_ERROR_REPLIES, REDIS_FAULTS, type RedisFault, TestRedis } from '@kiln/state/testing';
import type { Call, Case } from './counted-faults.ts';
import { Lane, LIVES, type Life } from './lane.ts';

export interface CallReport {
  /** Calls that are made in a build's life, by kind of life. */
  readonly calls: ReadonlyMap<Life, readonly Call[]>;
  /** Number of cases whose call failed, and the cases whose call was not made. */
  readonly happened: number;
  readonly missed: readonly string[];
  /** Broken promises, each with its case. */
  readonly faults: readonly string[];
}

export interface CallOptions {
  /**
   * `first`: the first call of each name, with one of the error replies and each fault of the connection. `each`: the first `MOST` calls of
   * each name, with every fault, and for each name a second in which all calls fail.
   */
  readonly which: 'each' | 'first';
  /** Number of pools that run side by side. */
  readonly lanes: number;
  say?(text: string): void;
}

type Planned = { readonly life: Life; readonly armed: Case };

/** Makes each Redis call in a build's life fail in each way, one per life, and checks what becomes of the build. */
export async function failCalls({ which, lanes: count, say = () => {} }: CallOptions): Promise<CallReport> {
  await using redis = await TestRedis.start();
  await using stack = new AsyncDisposableStack();
  const lanes: Lane[] = [];
  for (let i = 0; i < count; i++) lanes.push(stack.use(await Lane.start(redis.url, `lane-${i}`)));
  const calls = new Map<Life, readonly Call[]>();
  const faults: string[] = [];
  for (const life of LIVES) {
    // The first life in a pool makes calls that later ones do not.
    for (const _ of ['warm', 'counted']) {
      const lived = await lanes[0]?.live(life);
      faults.push(...(lived?.faults ?? []).map((fault) => `${life}, without any fault: ${fault}`));
      calls.set(life, lived?.calls ?? []);
    }
  }
  const left = plan(calls, which);
  const total = left.length;
  say(`${total} cases, of ${[...calls].map(([life, made]) => `${made.length} calls of a life "${life}"`).join(', ')}`);
  const missed: string[] = [];
  let [happened, done] = [0, 0];
  const work = async (lane: Lane) => {
    for (let next = left.shift(); next; next = left.shift()) {
      const lived = await lane.live(next.life, next.armed);
      if (lived.happened) happened += 1;
      else missed.push(describe(next));
      faults.push(...lived.faults.map((fault) => `${describe(next)}: ${fault}`));
      done += 1;
      if (done % 250 === 0) say(`${done} of ${total} cases, ${faults.length} promises broken`);
    }
  };
  await Promise.all(lanes.map(work));
  return { calls, happened, missed, faults };
}

const BURST_MS = 1_000;
/** Calls that are made more often than this are polls, which are all alike. */
const MOST = 10;

function plan(calls: ReadonlyMap<Life, readonly Call[]>, which: 'each' | 'first'): Planned[] {
  const planned: Planned[] = [];
  const covered = new Set<string>();
  for (const [life, made] of calls) {
    for (const call of made) {
      const key = `${call.role} ${call.name}`;
      if (call.nth > MOST || (which === 'first' && covered.has(key))) continue;
      const isFirst = !covered.has(key);
      covered.add(key);
      const skipped = which === 'first' ? otherReplies(covered.size) : [];
      for (const fault of REDIS_FAULTS)
        if (!skipped.includes(fault)) planned.push({ life, armed: { ...call, fault, burstMs: 0 } });
      const burst = REDIS_FAULTS[covered.size % REDIS_FAULTS.length] ?? 'OOM';
      if (which === 'each' && isFirst) planned.push({ life, armed: { ...call, fault: burst, burstMs: BURST_MS } });
    }
  }
  return planned;
}

/** All error replies but one, in turn. Every process treats them alike, see `isPassing`, and its test covers each. */
function otherReplies(turn: number): readonly RedisFault[] {
  return REDIS_ERROR_REPLIES.toSpliced(turn % REDIS_ERROR_REPLIES.length, 1);
}

function describe({ life, armed: { role, name, nth, fault, burstMs } }: Planned): string {
  return `${life}: ${fault}${burstMs > 0 ? ` for ${burstMs} ms` : ''} at ${role}’s ${name} ${nth}`;
}
