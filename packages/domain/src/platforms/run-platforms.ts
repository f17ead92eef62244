import { readDockerfile, type Stage } from '../why-slow/read-dockerfile.ts';
import { normalPlatform } from './platform.ts';

export interface PlatformOptions {
  /** Name or number of the stage that is built; undefined: the last one. */
  readonly target: string | undefined;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** Names of contexts, in lower case, which take the place of stages. Default: none. */
  readonly contexts?: ReadonlySet<string>;
  /** The platforms of the image. */
  readonly platforms: readonly string[];
}

/** What a stage is built for: its builder's own platform, those of the image, or a certain one. */
type StagePlatform =
  | { readonly is: 'own' }
  | { readonly is: 'target' }
  | { readonly is: 'fixed'; readonly name: string };

/** Something depends on what isn't known, such as a variable of a base image. */
class Unknown extends Error {}

const SYNTAX = /^#\s*syntax\s*=\s*(\S+)/im;
/** The frontends that read a Dockerfile as BuildKit's own does. */
const STANDARD_FRONTEND = /^(?:docker\.io\/)?docker\/dockerfile(?:-upstream)?(?:[:@]|$)/;
const PLATFORM_FLAG = '--platform=';
const FROM_FLAG = /\s--from=(\S+)/;
const MOUNT = /\s--mount=(\S+)/g;
const VARIABLE = /\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-+])([^}$]*))?\})/g;

/**
 * Returns the platforms for which a build runs programs, so that its host must run them natively or by emulation. A stage that only copies files needs
 * none, nor does one that is built for `$BUILDPLATFORM`, like those that cross-compile. Undefined if the Dockerfile doesn't say, as when another frontend
 * reads it. A base image's ONBUILD isn't considered.
 */
export function runPlatforms(dockerfile: string, options: PlatformOptions): string[] | undefined {
  const syntax = SYNTAX.exec(dockerfile)?.[1];
  if (syntax !== undefined && !STANDARD_FRONTEND.test(syntax)) return undefined;
  try {
    return new Stages(readDockerfile(dockerfile), options).runs();
  } catch (error) {
    if (error instanceof Unknown) return undefined;
    throw error;
  }
}

class Stages {
  readonly #stages: readonly Stage[];
  readonly #options: PlatformOptions;
  /** Values of the arguments before the first FROM. */
  readonly #args = new Map<string, string>();
  readonly #seen = new Set<number>();
  readonly #runs = new Set<string>();

  constructor([before, ...stages]: readonly Stage[], options: PlatformOptions) {
    this.#stages = stages;
    this.#options = options;
    for (const { op, text } of before?.instructions ?? []) if (op === 'ARG') this.#declare(text);
  }

  runs(): string[] {
    const { target } = this.#options;
    const index = target === undefined ? this.#stages.length - 1 : this.#find(target, this.#stages.length);
    if (index === undefined || index < 0) throw new Unknown();
    this.#visit(index);
    return [...this.#runs];
  }

  #visit(index: number): void {
    if (this.#seen.has(index)) return;
    this.#seen.add(index);
    const stage = this.#stages[index];
    if (!stage) throw new Unknown();
    const base = this.#find(this.#expand(stage.from ?? ''), index);
    if (base !== undefined) this.#visit(base);
    for (const { op, text } of stage.instructions) {
      if (op === 'RUN') this.#note(this.#platformOf(index));
      for (const from of sourcesOf(op, text)) {
        const source = this.#find(this.#expand(from), index);
        if (source !== undefined) this.#visit(source);
      }
    }
  }

  #note(platform: StagePlatform): void {
    if (platform.is === 'fixed') this.#runs.add(platform.name);
    if (platform.is === 'target') for (const each of this.#options.platforms) this.#runs.add(normalPlatform(each));
  }

  /** A stage on another one has its platform. */
  #platformOf(index: number): StagePlatform {
    const stage = this.#stages[index];
    const words = stage?.instructions[0]?.text.split(/\s+/) ?? [];
    const flag = unquoted(words.find((word) => word.startsWith(PLATFORM_FLAG))?.slice(PLATFORM_FLAG.length));
    const base = this.#find(this.#expand(stage?.from ?? ''), index);
    if (base !== undefined) return this.#platformOf(base);
    if (flag === undefined || /^\$\{?TARGETPLATFORM\}?$/.test(flag)) return { is: 'target' };
    if (/^\$\{?BUILDPLATFORM\}?$/.test(flag)) return { is: 'own' };
    const name = this.#expand(flag);
    if (!/^[a-z0-9]+\/[a-z0-9_-]+(?:\/[a-z0-9]+)?$/i.test(name)) throw new Unknown();
    return { is: 'fixed', name: normalPlatform(name.toLowerCase()) };
  }

  /** Returns the stage before the one at `end` that a name or number means; undefined if it is an image. */
  #find(name: string, end: number): number | undefined {
    const lower = name.toLowerCase();
    if (this.#options.contexts?.has(lower)) return undefined;
    const found = this.#stages.slice(0, end).findLastIndex((stage) => stage.name === lower);
    if (found >= 0) return found;
    const isNumber = /^\d{1,4}$/.test(name) && Number(name) < end;
    return isNumber ? Number(name) : undefined;
  }

  #declare(text: string): void {
    for (const [, name = '', value] of text
      .slice('ARG'.length)
      .matchAll(/\s([A-Za-z_]\w*)(?:=("[^"]*"|'[^']*'|\S*))?/g)) {
      const given = this.#options.buildArgs[name] ?? unquoted(value);
      if (given !== undefined) this.#args.set(name, this.#expand(given));
    }
  }

  /** @throws Unknown if a variable has no value that is known here */
  #expand(text: string): string {
    const expanded = text.replace(VARIABLE, (_, plain?: string, braced?: string, op?: string, word = '') => {
      const value = this.#args.get(plain ?? braced ?? '');
      if (op?.endsWith('-')) return value === undefined || (op === ':-' && value === '') ? word : value;
      if (op?.endsWith('+')) return value === undefined || (op === ':+' && value === '') ? '' : word;
      if (value === undefined) throw new Unknown();
      return value;
    });
    if (expanded.includes('$')) throw new Unknown();
    return expanded;
  }
}

/** The stages or images that an instruction copies from or mounts. */
function sourcesOf(op: string, text: string): string[] {
  if (op === 'COPY' || op === 'ADD') {
    const from = FROM_FLAG.exec(text)?.[1];
    return from === undefined ? [] : [from];
  }
  if (op !== 'RUN') return [];
  const options = [...text.matchAll(MOUNT)].flatMap(([, mount = '']) => mount.split(','));
  return options.flatMap((option) => (option.startsWith('from=') ? [option.slice('from='.length)] : []));
}

function unquoted(text: string | undefined): string | undefined {
  return text?.replace(/^(["'])(.*)\1$/, '$2');
}
