import {
  type HostTask,
  type HostTaskFailure,
  type HostTaskOrder,
  type HostTaskProgress,
  hostTask,
} from '@kiln/contracts';
import type { Redis } from 'ioredis';
import { monotonicFactory } from 'ulid';
import { NotLeader } from '../builds/errors.ts';
import type { HostWriter } from '../caches/inventory-store.ts';
import type { Keys } from '../redis/keys.ts';
import { hashOf } from '../redis/read-together.ts';
import { runScript } from '../redis/scripts.ts';
import { TaskLost, TooManyTasks } from './errors.ts';

/** How many open tasks a host may have. */
const MAX_OPEN = 1_000;
/** How many of a host's tasks may be open when one is created that carries files: those are large. */
const MAX_OPEN_WITH_FILES = 32;
const NO_HOST = -1;
const TOO_MANY = -2;
const NOT_LEADER = -4;

export interface TaskFilter {
  readonly host?: string | undefined;
  readonly state?: HostTask['state'] | undefined;
}

/** A task that a worker has claimed. If this version can't read its order, `task` is undefined and it has to be settled as failed. */
export interface ClaimedTask {
  readonly id: string;
  readonly task: HostTask | undefined;
}

/** What hosts are to do besides builds. A host starts its tasks in the order of their creation; each may run more than once. */
export class HostTasks {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #now: () => number;
  readonly #newId = monotonicFactory();

  constructor(redis: Redis, keys: Keys, now: () => number = Date.now) {
    this.#redis = redis;
    this.#keys = keys;
    this.#now = now;
  }

  /** Returns an id for `create`, so that a call whose answer was lost can be repeated. */
  newId(): string {
    return this.#newId(this.#now()).toLowerCase();
  }

  /**
   * Creates a task for a host; undefined if there is no such host. A host that is away carries it out when it is back.
   * @param by name of who orders it
   * @param id repeating a call with the same id creates nothing else
   * @throws TooManyTasks
   */
  create(host: string, order: HostTaskOrder, by?: string, id = this.newId()): Promise<HostTask | undefined> {
    return this.#create({ id, host, order, ...(by !== undefined && { createdBy: by }) }, '');
  }

  /**
   * Creates a task on behalf of the leader with `fencingToken`; otherwise as `create`.
   * @throws TooManyTasks
   * @throws NotLeader there is a newer leader
   */
  createAsLeader(host: string, order: HostTaskOrder, id: string, fencingToken: string): Promise<HostTask | undefined> {
    return this.#create({ id, host, order }, fencingToken);
  }

  async #create(task: Omit<HostTask, 'createdAt' | 'state'>, fencingToken: string): Promise<HostTask | undefined> {
    const { id, host, order } = task;
    const now = this.#now();
    const doc = { ...task, createdAt: now };
    const keys = this.#keys;
    const code = await runScript(
      this.#redis,
      'create-task',
      [keys.task(id), keys.hostTasks(host), keys.tasks(), keys.hosts(), keys.leaderToken()],
      [keys.prefix, id, host, order.type, JSON.stringify(doc), now, maxOpen(order), fencingToken],
    );
    if (code === NOT_LEADER) throw new NotLeader();
    if (code === TOO_MANY) throw new TooManyTasks(host);
    return code === NO_HOST ? undefined : { ...doc, state: 'waiting' };
  }

  /** Returns a task; undefined if there is none, it ended more than a day ago, or a newer version created it and this one can't read it. */
  async get(id: string): Promise<HostTask | undefined> {
    return taskOf(await this.#redis.hgetall(this.#keys.task(id)));
  }

  /** Returns tasks, the newest first. @param limit how many at most */
  async list({ host, state }: TaskFilter = {}, limit = MAX_OPEN): Promise<HostTask[]> {
    const ids = await this.#redis.zrevrange(this.#keys.tasks(), 0, -1);
    const found: HostTask[] = [];
    for (let i = 0; i < ids.length && found.length < limit; i += PAGE) {
      const page = await Promise.all(ids.slice(i, i + PAGE).map((id) => this.get(id)));
      const isWanted = (task: HostTask) =>
        (host === undefined || task.host === host) && (state === undefined || task.state === state);
      found.push(...page.filter((task) => task !== undefined).filter(isWanted));
    }
    return found.slice(0, limit);
  }

  /**
   * Claims the host's next task for a worker: one that waits, or one that another incarnation has left unfinished; undefined if there is none.
   * @param types which orders the worker can carry out; others stay for a newer version
   * @param running ids of the tasks that it runs already
   * @throws TaskLost if the host's lease is over, or another incarnation's
   */
  async claim(
    { host, incarnation }: HostWriter,
    types: readonly string[],
    running: readonly string[] = [],
  ): Promise<ClaimedTask | undefined> {
    const answer = await runScript(
      this.#redis,
      'claim-task',
      [this.#keys.hostTasks(host), this.#keys.hostLease(host)],
      [this.#keys.prefix, host, incarnation, this.#now(), types.join(), running.join()],
    );
    if (answer === null) return undefined;
    if (!Array.isArray(answer)) throw new TaskLost('of this host');
    const fields = hashOf(answer as string[]);
    return { id: (JSON.parse(fields.doc ?? '{}') as { id: string }).id, task: taskOf(fields) };
  }

  /** Records how far a running task is. @throws TaskLost */
  async progress({ host, incarnation }: HostWriter, id: string, progress: HostTaskProgress): Promise<void> {
    const code = await runScript(
      this.#redis,
      'progress-task',
      [this.#keys.task(id), this.#keys.hostLease(host)],
      [this.#keys.prefix, id, host, incarnation, JSON.stringify(progress)],
    );
    if (code !== 0) throw new TaskLost(id);
  }

  /** Ends a running task. Repeating it is harmless. @throws TaskLost */
  async settle(
    { host, incarnation }: HostWriter,
    id: string,
    outcome:
      | { readonly result: Readonly<Record<string, unknown>> }
      | { readonly failure: { readonly code: HostTaskFailure; readonly message: string } },
  ): Promise<void> {
    const [state, content] = 'result' in outcome ? ['succeeded', outcome.result] : ['failed', outcome.failure];
    const code = await runScript(
      this.#redis,
      'settle-task',
      [this.#keys.task(id), this.#keys.hostLease(host), this.#keys.hostTasks(host)],
      [this.#keys.prefix, id, host, incarnation, JSON.stringify(content), state, this.#now()],
    );
    if (code !== 0) throw new TaskLost(id);
  }
}

function maxOpen({ type }: HostTaskOrder): number {
  return type === 'evaluate' ? MAX_OPEN_WITH_FILES : MAX_OPEN;
}

/** How many tasks are read at once. */
const PAGE = 100;

function taskOf(fields: Readonly<Record<string, string>>): HostTask | undefined {
  if (fields.doc === undefined) return undefined;
  const { state, startedAt, endedAt, progress, result, failure } = fields;
  return hostTask.safeParse({
    ...(JSON.parse(fields.doc) as object),
    state,
    ...(startedAt !== undefined && { startedAt: Number(startedAt) }),
    ...(endedAt !== undefined && { endedAt: Number(endedAt) }),
    ...(progress !== undefined && { progress: JSON.parse(progress) as unknown }),
    ...(result !== undefined && { result: JSON.parse(result) as unknown }),
    ...(failure !== undefined && { failure: JSON.parse(failure) as unknown }),
  }).data;
}
