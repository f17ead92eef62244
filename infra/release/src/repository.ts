import { run } from './run.ts';

/** A checkout of the repository that is released. */
export class Repository {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  #git(...args: readonly string[]): Promise<string> {
    return run('git', args, this.root);
  }

  /** The commit that is checked out. */
  head(): Promise<string> {
    return this.#git('rev-parse', 'HEAD');
  }

  /** Paths that differ from the commit, or are in neither it nor `.gitignore`, as `git status` prints them. */
  async changes(): Promise<string[]> {
    return linesOf(await this.#git('status', '--porcelain'));
  }

  async tracked(): Promise<string[]> {
    return linesOf(await this.#git('ls-files'));
  }

  /** The commit that a tag names; undefined if there is no such tag. */
  async tagged(tag: string): Promise<string | undefined> {
    const commits = await this.#git('for-each-ref', '--format=%(objectname) %(*objectname)', `refs/tags/${tag}`);
    return commits.split(' ').at(-1) || undefined;
  }

  /** Commits all changes of tracked files. */
  async commit(message: string): Promise<void> {
    await this.#git('commit', '--quiet', '--all', '--message', message);
  }

  /** Makes an annotated tag of the commit that is checked out. */
  async tag(tag: string, message: string): Promise<void> {
    await this.#git('tag', '--annotate', '--cleanup', 'whitespace', '--message', message, tag);
  }

  /** Takes back changes of files that were not committed. */
  async restore(files: readonly string[]): Promise<void> {
    await this.#git('checkout', '--quiet', '--', ...files);
  }
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
