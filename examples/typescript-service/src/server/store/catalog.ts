import type { Change } from '../../shared/change.ts';
import type { Flag, FlagDraft } from '../../shared/flag.ts';
import type { Segment, SegmentDraft } from '../../shared/segment.ts';
import { NotFound, RevisionConflict, SegmentInUse } from '../errors.ts';
import type { Journal } from './journal.ts';
import { Mutex } from './mutex.ts';

type ChangeBody = Change extends infer Each
  ? Each extends Change
    ? Omit<Each, 'sequence' | 'at' | 'actor'>
    : never
  : never;

type Listener = (change: Change) => void;

/** Revision a draft is meant to replace: that of the stored record, or 0 if there must be none. */
export interface SaveOptions {
  readonly expectedRevision: number;
  readonly actor: string;
}

/** All flags and segments, in memory; every change goes through the journal first. */
export class Catalog {
  readonly #flags = new Map<string, Flag>();
  readonly #segments = new Map<string, Segment>();
  readonly #changes: Change[] = [];
  readonly #listeners = new Set<Listener>();
  readonly #mutex = new Mutex();
  readonly #journal: Pick<Journal, 'append'>;
  readonly #now: () => Date;

  constructor(journal: Pick<Journal, 'append'>, history: readonly Change[], now: () => Date) {
    this.#journal = journal;
    this.#now = now;
    for (const change of history) this.#apply(change);
  }

  flags(): Flag[] {
    return sortedByKey(this.#flags.values());
  }

  segments(): Segment[] {
    return sortedByKey(this.#segments.values());
  }

  findSegment(key: string): Segment | undefined {
    return this.#segments.get(key);
  }

  /** @throws NotFound */
  flag(key: string): Flag {
    const flag = this.#flags.get(key);
    if (flag === undefined) throw new NotFound('flag', key);
    return flag;
  }

  /** Newest first. */
  changesBefore(sequence: number, limit: number): Change[] {
    return this.#changes
      .filter((change) => change.sequence < sequence)
      .slice(-limit)
      .reverse();
  }

  changesAfter(sequence: number): Change[] {
    return this.#changes.filter((change) => change.sequence > sequence);
  }

  /** Calls the listener with each change from now on, until the returned function is called. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @throws RevisionConflict, or NotFound if a rule names a segment that doesn't exist */
  saveFlag(draft: FlagDraft, options: SaveOptions): Promise<Flag> {
    return this.#mutex.run(async () => {
      const current = this.#flags.get(draft.key);
      this.#expectRevision(current, options.expectedRevision);
      for (const segment of segmentsUsedBy(draft)) {
        if (!this.#segments.has(segment)) throw new NotFound('segment', segment);
      }
      const flag: Flag = { ...draft, ...this.#stamp(current) };
      await this.#record({ kind: 'flag_saved', flag }, options.actor);
      return flag;
    });
  }

  /** @throws NotFound */
  deleteFlag(key: string, actor: string): Promise<void> {
    return this.#mutex.run(async () => {
      if (!this.#flags.has(key)) throw new NotFound('flag', key);
      await this.#record({ kind: 'flag_deleted', key }, actor);
    });
  }

  /** @throws RevisionConflict */
  saveSegment(draft: SegmentDraft, options: SaveOptions): Promise<Segment> {
    return this.#mutex.run(async () => {
      const current = this.#segments.get(draft.key);
      this.#expectRevision(current, options.expectedRevision);
      const segment: Segment = { ...draft, ...this.#stamp(current) };
      await this.#record({ kind: 'segment_saved', segment }, options.actor);
      return segment;
    });
  }

  /** @throws NotFound, or SegmentInUse while a flag's rule names it */
  deleteSegment(key: string, actor: string): Promise<void> {
    return this.#mutex.run(async () => {
      if (!this.#segments.has(key)) throw new NotFound('segment', key);
      const users = this.flags().filter((flag) => segmentsUsedBy(flag).has(key));
      if (users.length > 0) {
        throw new SegmentInUse(
          key,
          users.map((flag) => flag.key),
        );
      }
      await this.#record({ kind: 'segment_deleted', key }, actor);
    });
  }

  #expectRevision(current: { revision: number } | undefined, expected: number): void {
    const actual = current?.revision ?? 0;
    if (actual !== expected) throw new RevisionConflict(expected, actual);
  }

  #stamp(current: { revision: number } | undefined): { revision: number; updatedAt: string } {
    return { revision: (current?.revision ?? 0) + 1, updatedAt: this.#now().toISOString() };
  }

  async #record(body: ChangeBody, actor: string): Promise<void> {
    const sequence = (this.#changes.at(-1)?.sequence ?? 0) + 1;
    const change: Change = { sequence, at: this.#now().toISOString(), actor, ...body };
    await this.#journal.append(change);
    this.#apply(change);
    for (const listener of this.#listeners) listener(change);
  }

  #apply(change: Change): void {
    this.#changes.push(change);
    switch (change.kind) {
      case 'flag_saved':
        this.#flags.set(change.flag.key, change.flag);
        break;
      case 'flag_deleted':
        this.#flags.delete(change.key);
        break;
      case 'segment_saved':
        this.#segments.set(change.segment.key, change.segment);
        break;
      case 'segment_deleted':
        this.#segments.delete(change.key);
        break;
    }
  }
}

function segmentsUsedBy(flag: FlagDraft): Set<string> {
  const rules = Object.values(flag.targeting).flatMap((targeting) => targeting.rules);
  return new Set(rules.flatMap((rule) => (rule.segment === null ? [] : [rule.segment])));
}

function sortedByKey<T extends { key: string }>(records: Iterable<T>): T[] {
  return [...records].sort((a, b) => (a.key < b.key ? -1 : 1));
}
