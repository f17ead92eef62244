import { SYNTAX_ARG, syntaxOf } from '../build/frontend.ts';
import { readDockerfile } from '../why-slow/read-dockerfile.ts';
import { expandWord } from './expand-word.ts';
import { splitWords } from './split-words.ts';

/** Values that are only known on the host. They are never a registry's name, so any text does. */
const OF_HOST: Readonly<Record<string, string>> = Object.fromEntries(
  ['TARGET', 'BUILD'].flatMap((side) =>
    ['PLATFORM', 'OS', 'OSVERSION', 'ARCH', 'VARIANT'].map((part) => [`${side}${part}`, 'x']),
  ),
);

/**
 * Returns the images that a Dockerfile names, as they are written: its frontend (`# syntax=`), the bases of its stages with build arguments
 * expanded, and those of `COPY --from=` and `RUN --mount=from=`. Stages of its own and named contexts are left out, and so is what can't be known before the build.
 */
export function imagesOf(
  dockerfile: string,
  buildArgs: Readonly<Record<string, string>>,
  contexts: readonly string[] = [],
): string[] {
  const images = new Set<string>();
  const frontend = buildArgs[SYNTAX_ARG] ?? syntaxOf(dockerfile);
  if (frontend) images.add(frontend.trim().split(/\s/)[0] ?? '');
  const args = new Map(Object.entries(OF_HOST));
  const own = new Set(['scratch', ...contexts.map((name) => name.toLowerCase())]);
  const add = (image: string | undefined) => {
    if (image && !image.includes('$') && !own.has(image.toLowerCase()) && !/^\d+$/.test(image)) images.add(image);
  };
  for (const { name, from, instructions } of readDockerfile(dockerfile)) {
    if (from !== undefined) add(expandWord(from, args));
    if (name !== undefined) own.add(name);
    for (const { op, text } of instructions) {
      const [, ...words] = splitWords(text.split('\n', 1)[0] ?? '');
      // Bases may contain only the arguments before the first stage.
      if (op === 'ARG' && from === undefined) declare(args, words, buildArgs);
      for (const image of sourcesOf(op, words)) add(image);
    }
  }
  return [...images].filter((image) => image !== '');
}

/** Declares the build arguments of an ARG. */
function declare(args: Map<string, string>, words: readonly string[], given: Readonly<Record<string, string>>): void {
  for (const word of words) {
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    const value = given[name] ?? (equals < 0 ? undefined : expandWord(word.slice(equals + 1), args));
    if (value !== undefined) args.set(name, value);
  }
}

/** Returns the images or stages from which an instruction takes files. */
function sourcesOf(op: string, words: readonly string[]): string[] {
  const end = words.findIndex((word) => !word.startsWith('--'));
  const flags = end < 0 ? words : words.slice(0, end);
  return flags.flatMap((flag) => {
    if (op === 'COPY') return flag.startsWith('--from=') ? [flag.slice('--from='.length)] : [];
    if (op !== 'RUN' || !flag.startsWith('--mount=')) return [];
    const options = flag.slice('--mount='.length).split(',');
    return options.flatMap((option) => (option.startsWith('from=') ? [option.slice('from='.length)] : []));
  });
}
