import type { BuildSpec, ProblemCode, ScheduleChange } from '@kiln/contracts';
import type { Trust } from '@kiln/domain';
import type { Redis } from 'ioredis';
import { monotonicFactory } from 'ulid';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';
import type { Sealer } from '../secrets/sealer.ts';
import { consumeSchedules, type DueSchedule, type ScheduleClock } from './schedule-clock.ts';

/** A scheduled build. Times in ms since the epoch. */
export interface StoredSchedule {
  readonly id: string;
  readonly name: string;
  readonly team: string;
  readonly cron: string;
  readonly timezone: string;
  readonly paused: boolean;
  /** Trust class of its creator. */
  readonly trust: Trust;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly spec: BuildSpec;
}

/** The result of a schedule's last run. Times in ms since the epoch. */
export interface LastRun {
  /** Absent if the run was requested. */
  readonly dueAt?: number;
  readonly at: number;
  readonly build?: string;
  readonly refused?: { readonly code: ProblemCode; readonly message: string };
}

export type NewSchedule = Omit<StoredSchedule, 'id' | 'createdAt'> & {
  /** Values by id, in the clear; sealed before they reach Redis. */
  readonly secrets: Readonly<Record<string, string>>;
};

/** The team already has a schedule of this name. */
export class ScheduleExists extends Error {
  readonly code = 'schedule_exists';
}

interface Doc extends StoredSchedule {
  /** Sealed secrets; '' if there are none. */
  readonly sealed: string;
}

/** How often a change is repeated because the schedule has changed meanwhile. */
const MAX_TRIES = 20;
const GONE = -1;

/** The stored schedules. `ScheduleClock` makes them due, and follows what is stored here. */
export class ScheduleStore {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #sealer: Sealer;
  readonly #clock: ScheduleClock;
  readonly #now: () => number;
  readonly #newId = monotonicFactory();

  constructor(redis: Redis, keys: Keys, deps: { sealer: Sealer; clock: ScheduleClock; now: () => number }) {
    this.#redis = redis;
    this.#keys = keys;
    this.#sealer = deps.sealer;
    this.#clock = deps.clock;
    this.#now = deps.now;
  }

  /** Creates a schedule. @throws ScheduleExists @throws InvalidCron */
  async create({ secrets, ...schedule }: NewSchedule): Promise<StoredSchedule> {
    this.#clock.check(schedule);
    const now = this.#now();
    const id = this.#newId(now).toLowerCase();
    const sealed = Object.keys(secrets).length > 0 ? this.#sealer.seal(JSON.stringify(secrets), sealContext(id)) : '';
    const doc: Doc = { ...schedule, id, createdAt: now, sealed };
    const code = await runScript(
      this.#redis,
      'create-schedule',
      [this.#keys.schedules(), this.#keys.scheduleNames()],
      [id, nameKey(schedule), JSON.stringify(doc)],
    );
    if (code !== 0) throw new ScheduleExists(`team ${schedule.team} already has a schedule ${schedule.name}`);
    // If this process dies here, the next `follow` does this.
    await this.#clock.set(doc);
    return withoutSeal(doc);
  }

  async get(id: string): Promise<StoredSchedule | undefined> {
    const text = await this.#redis.hget(this.#keys.schedules(), id);
    return text === null ? undefined : withoutSeal(JSON.parse(text) as Doc);
  }

  /** Reads all schedules, sorted by team and name. */
  async list(): Promise<StoredSchedule[]> {
    const all = Object.values(await this.#redis.hgetall(this.#keys.schedules()));
    return all.map((text) => withoutSeal(JSON.parse(text) as Doc)).sort((a, b) => (nameKey(a) < nameKey(b) ? -1 : 1));
  }

  /** Opens the secrets of a schedule, by id. @throws SealBroken */
  async secretsOf(id: string): Promise<Record<string, string>> {
    const text = await this.#redis.hget(this.#keys.schedules(), id);
    const { sealed = '' } = text === null ? {} : (JSON.parse(text) as Doc);
    return sealed === '' ? {} : (JSON.parse(this.#sealer.open(sealed, sealContext(id))) as Record<string, string>);
  }

  /** Changes a schedule; undefined if there is none. @throws InvalidCron */
  async change(id: string, change: ScheduleChange): Promise<StoredSchedule | undefined> {
    const changed = await this.#write(id, (doc) => {
      const next = { ...doc, ...definedOf(change) };
      this.#clock.check(next);
      return next;
    });
    if (changed) await this.#clock.set(changed);
    return changed && withoutSeal(changed);
  }

  /** Removes a schedule and returns it; undefined if there is none. */
  async remove(id: string): Promise<StoredSchedule | undefined> {
    const removed = await this.#write(id, () => undefined);
    if (removed) await this.#clock.remove(id);
    return removed && withoutSeal(removed);
  }

  async noteRun(id: string, run: LastRun): Promise<void> {
    await this.#redis.hset(this.#keys.scheduleRuns(), id, JSON.stringify(run));
  }

  async lastRun(id: string): Promise<LastRun | undefined> {
    const text = await this.#redis.hget(this.#keys.scheduleRuns(), id);
    return text === null ? undefined : (JSON.parse(text) as LastRun);
  }

  /** When a schedule is due next, ms since the epoch; undefined while it is paused. */
  nextRunAt(id: string): Promise<number | undefined> {
    return this.#clock.next(id);
  }

  /** Makes the clock agree with the stored schedules, after a process died in between. Repeating it changes nothing. */
  async follow(): Promise<void> {
    await this.#clock.follow(() => this.list());
  }

  /** See `consumeSchedules`. */
  consume(run: (due: DueSchedule) => Promise<void>, onError: (error: Error) => void): AsyncDisposable {
    return consumeSchedules(this.#redis, this.#keys, onError, run);
  }

  /** Replaces a schedule by what `make` returns, or removes it if that is undefined. Returns the new one, or the removed one. */
  async #write(id: string, make: (doc: Doc) => Doc | undefined): Promise<Doc | undefined> {
    const { schedules, scheduleNames, scheduleRuns } = this.#keys;
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const text = await this.#redis.hget(schedules(), id);
      if (text === null) return undefined;
      const doc = JSON.parse(text) as Doc;
      const next = make(doc);
      const code = await runScript(
        this.#redis,
        'change-schedule',
        [schedules(), scheduleNames(), scheduleRuns()],
        [id, text, next ? JSON.stringify(next) : '', nameKey(doc)],
      );
      if (code === 0) return next ?? doc;
      if (code === GONE) return undefined;
    }
    throw new Error(`schedule ${id} changed ${MAX_TRIES} times while it was written`);
  }
}

function withoutSeal({ sealed: _, ...schedule }: Doc): StoredSchedule {
  return schedule;
}

function definedOf(change: ScheduleChange): Partial<StoredSchedule> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}

function nameKey({ team, name }: Pick<StoredSchedule, 'team' | 'name'>): string {
  return `${team}/${name}`;
}

/** The seal context of a schedule's secrets. */
export function sealContext(id: string): string {
  return `schedule ${id}`;
}
