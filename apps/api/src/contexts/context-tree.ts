import { shortened, type TarEntry } from './tar-walker.ts';

/** An entry that a context must not hold. `entry` as it stands in the tar; `expected` says what would do. */
export class BadEntry extends Error {
  readonly code = 'bad_entry';
  readonly entry: string;
  readonly got: string;
  readonly expected: string;

  constructor(entry: string, got: string, expected: string) {
    super(`entry ${JSON.stringify(shortened(entry))}: ${got}`);
    this.entry = entry;
    this.got = got;
    this.expected = expected;
  }
}

/** As PATH_MAX has it: no file system takes more. */
const MAX_NAME_BYTES = 4096;
/** As Linux has it. */
const MAX_HOPS = 40;

/** The names of a context, judged as they come in: nothing may lie outside, or lead there. */
export class ContextTree {
  readonly #maxEntries: number;
  readonly #names = new Set<string>();
  readonly #links = new Map<string, string>();

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  get entries(): number {
    return this.#names.size;
  }

  /** @throws BadEntry */
  add(entry: TarEntry): void {
    const { name, type, target } = entry;
    if (type === 'character device' || type === 'block device' || type === 'fifo') {
      throw new BadEntry(name, `a ${type}`, 'files, directories and links');
    }
    const path = inside(name, name, 'a name');
    if (type === 'hardlink') inside(name, target, 'a hard link to');
    if (type === 'symlink') {
      if (target.startsWith('/'))
        throw new BadEntry(name, `a symbolic link to ${JSON.stringify(shortened(target))}`, 'a relative target');
      checkLength(name, target);
      this.#links.set(path, target);
    }
    this.#names.add(path);
    if (this.#names.size > this.#maxEntries) {
      throw new BadEntry(name, `more than ${this.#maxEntries} entries`, `at most ${this.#maxEntries} entries`);
    }
  }

  /** What can be said only when all names are known. @throws BadEntry */
  check(): void {
    for (const [name, target] of this.#links) {
      if (this.#resolve([...parts(name).slice(0, -1), ...target.split('/')]) === undefined) {
        throw new BadEntry(
          name,
          `a symbolic link to ${JSON.stringify(shortened(target))}`,
          'a target inside the context',
        );
      }
    }
    if (this.#links.size === 0) return;
    for (const name of this.#names) {
      // What is unpacked through a link lands elsewhere than its name says, and so do relative links in it.
      const link = parents(name).find((parent) => this.#links.has(parent));
      if (link !== undefined)
        throw new BadEntry(
          name,
          `an entry below the symbolic link ${JSON.stringify(link)}`,
          'entries below directories only',
        );
    }
  }

  /** Whether `path`, relative to the context, leads to something, through links or not. */
  has(path: string): boolean {
    const resolved = this.#resolve(path.split('/'));
    return resolved !== undefined && this.#names.has(resolved);
  }

  /** The path without links and dots; undefined where it leads out of the context. A circle of links leads to nothing. */
  #resolve(path: readonly string[]): string | undefined {
    const todo = [...path];
    const done: string[] = [];
    let hops = 0;
    for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
      if (part === '' || part === '.') continue;
      if (part === '..') {
        if (done.pop() === undefined) return undefined;
        continue;
      }
      done.push(part);
      const target = this.#links.get(done.join('/'));
      if (target === undefined) continue;
      hops += 1;
      if (hops > MAX_HOPS) return '\0';
      done.pop();
      todo.unshift(...target.split('/'));
    }
    return done.join('/');
  }
}

/** `value` normalised: relative, without `.` and outer slashes. @throws BadEntry where it is absolute, climbs, or is too long */
function inside(entry: string, value: string, what: string): string {
  checkLength(entry, value);
  const shown = `${what} ${JSON.stringify(shortened(value))}`;
  if (value.startsWith('/')) throw new BadEntry(entry, shown, 'a path relative to the context');
  const kept = parts(value);
  if (kept.includes('..')) throw new BadEntry(entry, shown, 'a path without ..');
  return kept.join('/');
}

function checkLength(entry: string, value: string): void {
  const length = Buffer.byteLength(value);
  if (length > MAX_NAME_BYTES)
    throw new BadEntry(entry, `a name of ${length} bytes`, `at most ${MAX_NAME_BYTES} bytes`);
}

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

function parents(path: string): string[] {
  const all = path.split('/');
  return all.slice(1).map((_, i) => all.slice(0, i + 1).join('/'));
}
