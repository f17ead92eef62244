import { MAX_TREE_DIGESTS } from '@kiln/contracts';
import { type Digest, referencesOf } from '@kiln/trees';
import type { ContextObject, EncodedContext } from '../encode-context.ts';

export interface AskedParts {
  readonly directories: readonly Digest[];
  readonly files: readonly Digest[];
}

/** What isn't stored of what was asked for. `storedBytes`: how much is already there from an upload that was cut off. */
export interface MissingAnswer {
  readonly directories: readonly Digest[];
  readonly files: readonly { readonly digest: Digest; readonly storedBytes: number }[];
}

/** What has to be sent of a context. */
export interface MissingParts {
  readonly directories: ReadonlySet<Digest>;
  /** Files with an object of their own, and how many bytes of each are already there. */
  readonly files: ReadonlyMap<Digest, number>;
}

/**
 * Finds what the server lacks of a context, and of some other files, from the root down, a level at a time. Nothing below a directory that is
 * there is asked for, because it is there too. `isRootMissing`: whether that is known already.
 */
export async function findMissing(
  { digest, objects }: Pick<EncodedContext, 'digest' | 'objects'>,
  otherFiles: readonly Digest[],
  ask: (parts: AskedParts) => Promise<MissingAnswer>,
  isRootMissing = false,
): Promise<MissingParts> {
  const directories = new Set<Digest>();
  const files = new Map<Digest, number>();
  const asked = new Set<Digest>();
  const unasked = (digests: readonly Digest[]) =>
    digests.filter((each) => {
      const isNew = !asked.has(each);
      asked.add(each);
      return isNew;
    });
  /** Takes in an answer, and returns what is to be asked about next. */
  const take = async (answer: MissingAnswer): Promise<AskedParts> => {
    for (const file of answer.files) files.set(file.digest, file.storedBytes);
    const found: ContextObject[] = [];
    for (const missing of answer.directories) {
      const object = await objects.load(missing);
      if (object) found.push(object);
    }
    for (const { object } of found) directories.add(object.digest);
    const needed = found.map(({ object }) => referencesOf(object.node));
    return {
      directories: unasked(needed.flatMap((each) => each.directories)),
      files: unasked(needed.flatMap((each) => each.files.map((file) => file.digest))),
    };
  };
  let level: AskedParts = isRootMissing
    ? await take({ directories: unasked([digest]), files: [] })
    : { directories: unasked([digest]), files: [] };
  level = { ...level, files: [...level.files, ...unasked(otherFiles)] };
  while (level.directories.length + level.files.length > 0) {
    const next: AskedParts[] = [];
    for (const question of questionsOf(level)) next.push(await take(await ask(question)));
    level = { directories: next.flatMap((each) => each.directories), files: next.flatMap((each) => each.files) };
  }
  return { directories, files };
}

function* questionsOf({ directories, files }: AskedParts): Generator<AskedParts> {
  for (let at = 0; at < directories.length + files.length; at += MAX_TREE_DIGESTS) {
    const inFiles = Math.max(0, at - directories.length);
    const asked = directories.slice(at, at + MAX_TREE_DIGESTS);
    yield { directories: asked, files: files.slice(inFiles, inFiles + MAX_TREE_DIGESTS - asked.length) };
  }
}
