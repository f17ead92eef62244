import type { CauseView, WhySlowView } from '../http/why-slow.ts';
import { bytes } from '../log/plain.ts';
import { safeText } from '../log/safe-text.ts';

type Step = NonNullable<WhySlowView['steps']>['list'][number];
type Difference = NonNullable<Extract<CauseView, { type: 'first_on_host' }>['also']>;
type Unknown = Extract<CauseView, { type: 'unknown' }>;

const COMPARED: Readonly<Record<Unknown['compared'][number], string>> = {
  instruction: 'its instruction',
  settings: 'ENV, ARG, USER and SHELL before it',
  build_arguments: 'build arguments',
  base_image: 'the base image',
  files: 'the files that it reads',
  remote_content: 'what the URL returned',
  earlier_steps: 'the steps that it is based on',
};

const WHATS: Readonly<Record<Unknown['notCompared'][number]['what'], string>> = {
  files: 'the files that it reads',
  build_arguments: 'build arguments',
  settings: 'ENV, ARG, USER and SHELL before it',
  remote_content: 'what the URL returned',
  everything: 'this step',
};

const WHYS: Readonly<Record<Unknown['notCompared'][number]['why'], string>> = {
  tree_swept: 'a context is no longer stored',
  not_recorded: 'they were not recorded',
  other_source: 'one build is of an upload, the other of a commit',
  variable_sources: 'the sources have variables or exceptions',
  large_tree: 'the context is too large for all of its files to be recorded',
  dockerfile_not_recorded: 'the host did not read the Dockerfile',
  other_key: 'the pool’s key was changed between the builds',
  step_not_recorded: 'the build has too many steps',
};

/** The name of a step in one line. */
export function stepLabel(name: string): string {
  return safeText(name.split('\n')[0] ?? '');
}

/** Describes a cause in lines. */
export function causeLines(cause: CauseView): string[] {
  switch (cause.type) {
    case 'no_cache':
      return ['the build asked for no cache'];
    case 'fresh_builder':
      return [`cache mode ${cause.mode}: the builder was made for this build`];
    case 'first_build':
      return ['no earlier successful build with the same target and platforms has a record'];
    case 'first_on_host':
      return [
        'first on this host: the repo has no earlier successful build there on record',
        ...(cause.also ? ['since the last build on another host, also:', ...differenceLines(cause.also)] : []),
      ];
    case 'parent_missed':
      return ['it is based on a step that was not cached'];
    case 'evicted':
      return [
        `evicted: of ${cause.of} layers that the repo’s last build here had used, ${cause.lost} were gone; nothing else differs`,
        ...(cause.evictions ?? []).map(
          ({ at, bytes: count, reason, roomFor }) =>
            `${at}: ${bytes(count)} removed ${evictionText(reason)}${roomFor === undefined ? '' : `, after a build of ${safeText(roomFor)}`}`,
        ),
      ];
    case 'unknown':
      return unknownLines(cause);
    default:
      return differenceLines(cause);
  }
}

const EVICTIONS: Readonly<Record<string, string>> = {
  budget: 'to keep within the cache budget',
  repo_cap: 'to keep within the limit of a repo',
  team_cap: 'to keep within the limit of a team',
  low_disk: 'because the disk was nearly full',
};

/** Describes why a cache was removed. A reason that this version doesn't know is shown as it is. */
function evictionText(reason: string): string {
  return EVICTIONS[reason] ?? `(${safeText(reason)})`;
}

/** Describes a cause in some words, for a table. */
export function causeWord(cause: CauseView, steps: readonly Step[]): string {
  switch (cause.type) {
    case 'no_cache':
      return 'no cache asked for';
    case 'fresh_builder':
      return `cache mode ${cause.mode}`;
    case 'first_build':
      return 'first build';
    case 'first_on_host':
      return 'first on this host';
    case 'parent_missed': {
      const name = steps[cause.parent]?.name ?? '';
      return `after ${safeText(/^\[.*?\] \S+/.exec(name)?.[0] ?? name)}`;
    }
    case 'evicted':
      return 'evicted';
    case 'unknown':
      return 'unknown';
    case 'instruction_changed':
      return cause.from === undefined
        ? 'instruction added'
        : cause.to === undefined
          ? 'instruction removed'
          : 'instruction changed';
    case 'files_changed':
      return `files changed: ${countsText(cause)}`;
    case 'build_argument_changed':
      return `build argument ${safeText(cause.names.join(', '))}`;
    case 'base_image_moved':
      return 'base image moved';
    case 'remote_content_changed':
      return `content of ${safeText(cause.url)} changed`;
    case 'cache_scope_changed':
      return 'cache scope changed';
  }
}

function differenceLines(difference: Difference): string[] {
  const at = difference.step === undefined ? '' : `, at ${stepLabel(difference.step)}`;
  switch (difference.type) {
    case 'instruction_changed':
      return instructionLines(difference, at);
    case 'files_changed': {
      const { paths, added, changed, removed } = difference;
      const more = added + changed + removed - paths.length;
      return [
        `files changed: ${countsText(difference)}${at}`,
        ...paths.map(
          ({ path, change, within }) => `  ${change.padEnd(7)}  ${within ? 'something in ' : ''}${safeText(path)}`,
        ),
        ...(more > 0 ? [`  and ${more} more`] : []),
      ];
    }
    case 'build_argument_changed':
      return [`value of build argument ${safeText(difference.names.join(', '))} changed${at}`];
    case 'base_image_moved':
      return [
        `base image ${safeText(difference.image)} moved${at}`,
        `  from ${difference.from}`,
        `  to   ${difference.to}`,
      ];
    case 'remote_content_changed':
      return [
        `what ${safeText(difference.url)} returned changed${at}`,
        `  from ${difference.from}`,
        `  to   ${difference.to}`,
      ];
    case 'cache_scope_changed':
      return [`cache scope changed from ${difference.from} to ${difference.to}${at}`];
  }
}

function instructionLines({ from, to }: Extract<Difference, { type: 'instruction_changed' }>, at: string): string[] {
  const quoted = (sign: string, text: string) => text.split('\n').map((line) => `  ${sign} ${safeText(line)}`);
  const what = from === undefined ? 'added' : to === undefined ? 'removed' : 'changed';
  return [
    `instruction ${what}${at}`,
    ...(from === undefined ? [] : quoted('-', from)),
    ...(to === undefined ? [] : quoted('+', to)),
  ];
}

function countsText({ added, changed, removed, atLeast }: Extract<Difference, { type: 'files_changed' }>): string {
  const counts = [
    ...(added > 0 ? [`${added} added`] : []),
    ...(changed > 0 ? [`${changed} changed`] : []),
    ...(removed > 0 ? [`${removed} removed`] : []),
  ];
  return `${atLeast ? 'at least ' : ''}${counts.join(', ')}`;
}

function unknownLines({ compared, notCompared }: Unknown): string[] {
  return [
    'cause unknown',
    ...(compared.length > 0 ? [`compared, and the same: ${compared.map((what) => COMPARED[what]).join(', ')}`] : []),
    ...notCompared.map(({ what, why, names = [] }) => {
      const named = names.length > 0 ? ` (${safeText(names.join(', '))})` : '';
      return `not compared: ${WHATS[what]}${named}, because ${WHYS[why]}`;
    }),
  ];
}
