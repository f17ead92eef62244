import { bytes, causeLines, causeWord, safeText, stepLabel, type WhySlowView } from '@kiln/contracts';
import { age, duration } from '../../io/ages.ts';
import type { Io } from '../../io/output.ts';
import { renderTable } from '../../io/table.ts';

type Steps = NonNullable<WhySlowView['steps']>;
type Step = Steps['list'][number];

/** Beyond this number, cached steps aren't listed. */
const ALL_SHOWN = 40;
/** How many steps with a cause of their own are described, besides the first. */
const MORE_SHOWN = 5;

/** Describes why the steps of a build were not cached, its cache mounts, and where its time went. */
export function whySlowText(view: WhySlowView, io: Io): string {
  const { steps } = view;
  const parts = [
    headText(view, io),
    ...(steps ? [missesText(steps, io), stepsText(steps, io)] : []),
    mountsText(view, io),
    timeText(view),
  ];
  return parts.filter((part) => part !== '').join('\n');
}

function headText(
  { attempt, host, end, comparedWith, steps, changedSecrets = [] }: WhySlowView,
  { out, now }: Io,
): string {
  const { cached = 0, total = 0, leftOut } = steps ?? {};
  const head = [`attempt ${attempt} on ${host}`, ...(end ? [end] : []), `${cached} of ${total} steps cached`].join(
    ', ',
  );
  const baseline = comparedWith
    ? `compared with build ${comparedWith.build} on ${comparedWith.host}, ${age(Date.parse(comparedWith.finishedAt), now())} ago`
    : 'no earlier successful build to compare with';
  const secrets = changedSecrets.map(safeText).join(', ');
  return lines([
    out.style('bold', head),
    baseline,
    ...(leftOut === undefined ? [] : [`${leftOut} more steps were not recorded`]),
    ...(secrets === '' ? [] : [`changed secrets: ${secrets} (the cache doesn’t depend on their values)`]),
  ]);
}

function missesText({ list, first }: Steps, { out }: Io): string {
  if (first === undefined)
    return list.some(({ cause }) => cause) ? '' : lines(['every step that was needed was cached']);
  const own = list.flatMap((step, index) =>
    step.cause && step.cause.type !== 'parent_missed' && index !== first ? [step] : [],
  );
  const describe = ({ name, cause }: Step) => [
    `  ${out.style('bold', stepLabel(name))}`,
    ...(cause ? causeLines(cause).map((line) => `    ${line}`) : []),
  ];
  const [step] = list.slice(first, first + 1);
  const more = own.slice(0, MORE_SHOWN);
  return lines([
    'first step that was not cached:',
    ...(step ? describe(step) : []),
    ...(more.length > 0
      ? ['other steps that were not cached for a reason of their own:', ...more.flatMap(describe)]
      : []),
    ...(own.length > more.length ? [`  and ${own.length - more.length} more`] : []),
  ]);
}

function stepsText({ list }: Steps, { out }: Io): string {
  const rows = list.length > ALL_SHOWN ? list.filter(({ state }) => state !== 'cached') : list;
  if (rows.length === 0) return '';
  return renderTable(
    [
      { title: 'STEP', text: ({ name }) => stepLabel(name), min: 20 },
      {
        title: 'STATE',
        text: ({ state }) => state.replaceAll('_', ' '),
        style: ({ state }) => (state === 'cached' ? 'green' : state === 'failed' ? 'red' : undefined),
      },
      { title: 'TIME', text: ({ ms }) => (ms === undefined ? '' : duration(ms)), align: 'right' },
      { title: 'WHY', text: ({ cause }) => (cause ? causeWord(cause, list) : ''), min: 16 },
    ],
    rows,
    out,
  );
}

function mountsText({ mounts, sizesAreFloors }: WhySlowView, { out }: Io): string {
  if (!mounts || mounts.length === 0) return '';
  const size = (count: number | undefined) => (count === undefined ? '' : bytes(count));
  const table = renderTable(
    [
      // Without the namespace, which is the same for all of them.
      { title: 'CACHE MOUNT', text: ({ id }) => safeText(id.slice(id.indexOf('/') + 1)), min: 12 },
      { title: 'STATE', text: ({ state }) => state, style: ({ state }) => (state === 'warm' ? 'green' : undefined) },
      { title: 'BEFORE', text: ({ beforeBytes }) => size(beforeBytes), align: 'right' },
      { title: 'AFTER', text: ({ afterBytes }) => size(afterBytes), align: 'right' },
    ],
    mounts,
    out,
  );
  return sizesAreFloors
    ? `${table}the engine’s classic image store measures a cache mount only once: they may be larger\n`
    : table;
}

function timeText({ time, usual, coldMs, savedMs }: WhySlowView): string {
  if (!time) return '';
  const kinds = [
    ['queue', time.queueMs],
    ['context', time.contextMs],
    ['pulls', time.pullMs],
    ['steps', time.runMs],
    ['exports', time.exportMs],
    ['idle', time.idleMs],
  ] as const;
  const runMs = time.totalMs - time.queueMs;
  const saved =
    savedMs === undefined
      ? ''
      : savedMs >= 0
        ? `: ${duration(savedMs)} saved`
        : `: ${duration(-savedMs)} longer than that`;
  return lines([
    `time   ${duration(time.totalMs)}: ${kinds.map(([name, ms]) => `${name} ${duration(ms)}`).join(', ')}`,
    ...(usual
      ? [`usual  ${duration(usual.runMs)} without the queue (median of ${usual.builds}), this one ${duration(runMs)}`]
      : []),
    ...(coldMs === undefined ? [] : [`cold   ${duration(coldMs)} expected without caches${saved}`]),
  ]);
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join('');
}
