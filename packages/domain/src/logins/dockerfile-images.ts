import { SYNTAX_ARG, syntaxOf } from '../build/frontend.ts';
import { expandWord } from './expand-word.ts';
import { type Instruction, instructionsOf } from './instructions.ts';

/** Values that are only known on the host. They are never a registry's name, so any text does. */
const OF_HOST: Readonly<Record<string, string>> = Object.fromEntries(
  ['TARGET', 'BUILD'].flatMap((side) =>
    ['PLATFORM', 'OS', 'OSVERSION', 'ARCH', 'VARIANT'].map((part) => [`${side}${part}`, 'x']),
  ),
);

/**
 * Returns the images that a Dockerfile names, as they are written: its frontend (`# syntax=`), the bases of its stages with build arguments
 * expanded, and those of `COPY --from=` and `RUN --mount=from=`. Stages of its own are left out, and so is what can't be known before the build.
 */
export function imagesOf(dockerfile: string, buildArgs: Readonly<Record<string, string>>): string[] {
  const images = new Set<string>();
  const frontend = buildArgs[SYNTAX_ARG] ?? syntaxOf(dockerfile);
  if (frontend) images.add(frontend.trim().split(/\s/)[0] ?? '');
  const args = new Map(Object.entries(OF_HOST));
  const stages = new Set(['scratch']);
  let stageCount = 0;
  const add = (image: string | undefined) => {
    if (image && !image.includes('$') && !stages.has(image.toLowerCase()) && !/^\d+$/.test(image)) images.add(image);
  };
  for (const instruction of instructionsOf(dockerfile)) {
    if (instruction.name === 'ARG' && stageCount === 0) declare(args, instruction, buildArgs);
    if (instruction.name === 'FROM') {
      const [image = '', as, name] = instruction.words.filter((word) => !word.startsWith('--'));
      add(expandWord(image, args));
      if (as?.toLowerCase() === 'as' && name) stages.add(name.toLowerCase());
      stageCount++;
    }
    for (const image of sourcesOf(instruction)) add(image);
  }
  return [...images].filter((image) => image !== '');
}

/** Declares the arguments before the first stage, which are those that bases may contain. */
function declare(args: Map<string, string>, { words }: Instruction, given: Readonly<Record<string, string>>): void {
  for (const word of words) {
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    const value = given[name] ?? (equals < 0 ? undefined : expandWord(word.slice(equals + 1), args));
    if (value !== undefined) args.set(name, value);
  }
}

/** Returns the images or stages from which an instruction takes files. */
function sourcesOf({ name, words }: Instruction): string[] {
  if (name !== 'COPY' && name !== 'RUN') return [];
  const flags = words.slice(
    0,
    words.findIndex((word) => !word.startsWith('--')),
  );
  return flags.flatMap((flag) => {
    if (name === 'COPY') return flag.startsWith('--from=') ? [flag.slice('--from='.length)] : [];
    if (!flag.startsWith('--mount=')) return [];
    const options = flag.slice('--mount='.length).split(',');
    return options.flatMap((option) => (option.startsWith('from=') ? [option.slice('from='.length)] : []));
  });
}
