import type { TracedInstruction } from './attempt-trace.ts';
import type { Compared, Difference, FileChanges, NotCompared } from './cause.ts';
import { contextSources, remoteSources } from './copy-sources.ts';
import { filesUnder } from './files-under.ts';
import { imageOf, kindOfStep, stepText } from './step-name.ts';
import { type GraphStep, isCounted, type Place, type TraceGraph } from './trace-graph.ts';

/** What comparing a step with its counterpart gave. */
export interface Comparison {
  readonly difference?: Difference | undefined;
  readonly compared: readonly Compared[];
  readonly notCompared: readonly NotCompared[];
}

interface Pair {
  readonly now: TraceGraph;
  readonly before: TraceGraph;
  readonly files: FileChanges;
}

/** Finds the first difference between a step and its counterpart in an earlier build: in the step itself, else in those that it is based on, the nearest first. */
export function findDifference(pair: Pair, step: GraphStep): Comparison {
  if (pair.now.trace.keyId !== pair.before.trace.keyId)
    return { compared: [], notCompared: [{ what: 'everything', why: 'other_key' }] };
  const twin = pair.before.counterpart(step, pair.now.place(step));
  // Steps without a local context have a digest over everything that they are made of, but for what URLs returned.
  const isSame = twin?.digest === step.digest;
  const compared = new Set<Compared>(
    isSame ? ['instruction', 'settings', 'build_arguments', 'base_image', 'earlier_steps'] : [],
  );
  const notCompared: NotCompared[] = [];
  const relevant = [step, ...pair.now.ancestors(step).filter((one) => isCounted(one) || imageOf(one.name))];
  for (const one of relevant) {
    const own = one === step ? {} : { step: one.name };
    const found = isSame ? changedRemote(one, pair.before.counterpart(one, undefined)) : ownDifference(pair, one);
    if (found.difference) return { ...found, difference: { ...own, ...found.difference } };
    for (const what of found.compared) compared.add(what);
    for (const gap of found.notCompared)
      if (!notCompared.some((known) => JSON.stringify(known) === JSON.stringify(gap))) notCompared.push(gap);
    if (one !== step) compared.add('earlier_steps');
  }
  return { compared: [...compared], notCompared };
}

/** Compares a step without those that it is based on. */
function ownDifference(pair: Pair, step: GraphStep): Comparison {
  const { now, before } = pair;
  const at = now.place(step);
  const own = at && now.instruction(at);
  const old = at && before.instruction(at);
  const changed = at && changedInstruction(pair, at, own, old);
  if (changed) return found(changed);
  const twin = before.counterpart(step, at);
  const isRun = step.parsed?.op === 'RUN';
  const isExpanded = twin?.key !== step.key;
  const image = twin && movedImage(step, twin);
  const compared: Compared[] = twin || own ? ['instruction'] : [];
  const notCompared: NotCompared[] = twin ? [] : [{ what: 'everything', why: 'step_not_recorded' }];
  if (at && own && old) {
    if (isRun || isExpanded) {
      const settings = changedSettings(pair, at);
      if (settings) return found(settings);
      const names = changedArgs(pair, argsAt(pair, at));
      if (names.length > 0) return found({ type: 'build_argument_changed', names });
      compared.push('settings', 'build_arguments');
    }
  } else if (twin) {
    const names = changedArgs(pair, undefined);
    const [text, oldText] = [stepText(step.name), stepText(twin.name)];
    if (isExpanded && !image) {
      const used = names.filter((name) => text.includes(`\${${name}}`));
      if (used.length > 0 && text === oldText) return found({ type: 'build_argument_changed', names: used });
      return found({ type: 'instruction_changed', from: oldText, to: text });
    }
    if (isRun) {
      notCompared.push({ what: 'settings', why: 'dockerfile_not_recorded' });
      if (names.length > 0) notCompared.push({ what: 'build_arguments', why: 'dockerfile_not_recorded', names });
      else compared.push('build_arguments');
    }
  }
  if (image) return found(image);
  if (imageOf(step.name)?.digest !== undefined) compared.push('base_image');
  const { cacheScope } = now.trace;
  if (cacheScope !== before.trace.cacheScope && stepText(step.name).includes('type=cache'))
    return found({ type: 'cache_scope_changed', from: before.trace.cacheScope, to: cacheScope });
  const files = changedFiles(pair, step, own);
  if (files.difference) return files;
  const remote = changedRemote(step, twin, own);
  if (remote.difference) return remote;
  return {
    compared: [...compared, ...files.compared, ...remote.compared],
    notCompared: [...notCompared, ...remote.notCompared, ...files.notCompared],
  };
}

function found(difference: Difference): Comparison {
  return { difference, compared: [], notCompared: [] };
}

/** Finds a change of the instruction itself, or that another one was added or removed in its place. */
function changedInstruction(
  { now, before }: Pair,
  at: Place,
  own: TracedInstruction | undefined,
  old: TracedInstruction | undefined,
): Difference | undefined {
  if (!own || own.key === old?.key || !before.trace.stages) return undefined;
  return placed(own, old, now.instructions(at) ?? [], before.instructions(at) ?? []);
}

function placed(
  own: TracedInstruction,
  old: TracedInstruction | undefined,
  all: readonly TracedInstruction[],
  olds: readonly TracedInstruction[],
): Difference {
  if (!old) return { type: 'instruction_changed', to: own.text };
  const has = (list: readonly TracedInstruction[], { key }: TracedInstruction) => list.some((one) => one.key === key);
  const wasThere = has(olds, own);
  const isThere = has(all, old);
  if (isThere && !wasThere) return { type: 'instruction_changed', to: own.text };
  if (wasThere && !isThere) return { type: 'instruction_changed', from: old.text };
  return { type: 'instruction_changed', from: old.text, to: own.text };
}

/** ENV, ARG, USER and SHELL: they are no steps, but part of the steps after them. */
function changedSettings({ now, before }: Pair, at: Place): Difference | undefined {
  const own = now.settings(at);
  const old = before.settings(at);
  if (!own || !old) return undefined;
  const given = (name: string) => name in now.trace.args && name in before.trace.args;
  // The default of an argument doesn't count if both builds gave it a value.
  const keyOf = ({ op, key, args = [] }: TracedInstruction) =>
    op === 'ARG' && args.length > 0 && args.every(given) ? `ARG ${args.join(' ')}` : key;
  const length = Math.max(own.length, old.length);
  for (let i = 0; i < length; i++) {
    const [to, from] = [own[i], old[i]];
    if (to && from && keyOf(to) === keyOf(from)) continue;
    return to ? placed(to, from, own, old) : { type: 'instruction_changed', from: from?.text };
  }
  return undefined;
}

/** The names of the arguments that the step at a place can depend on. */
function argsAt({ now, before }: Pair, at: Place): Set<string> {
  const names = (graph: TraceGraph) => (graph.settings(at) ?? []).flatMap(({ args = [] }) => args);
  return new Set([...names(now), ...names(before)]);
}

/** The arguments whose values differ. @param scope only these; undefined: any */
function changedArgs({ now, before }: Pair, scope: ReadonlySet<string> | undefined): string[] {
  const names = new Set([...Object.keys(now.trace.args), ...Object.keys(before.trace.args)]);
  return [...names]
    .filter((name) => (scope?.has(name) ?? true) && now.trace.args[name] !== before.trace.args[name])
    .sort();
}

function movedImage(step: GraphStep, twin: GraphStep): Difference | undefined {
  const own = imageOf(step.name);
  const old = imageOf(twin.name);
  if (own?.digest === undefined || old?.digest === undefined || own.digest === old.digest) return undefined;
  if (own.image !== old.image) return undefined;
  return { type: 'base_image_moved', image: own.image, from: old.digest, to: own.digest };
}

function changedFiles({ files }: Pair, step: GraphStep, own: TracedInstruction | undefined): Comparison {
  if (kindOfStep(step.name) !== 'run') return { compared: [], notCompared: [] };
  const text = own?.text ?? stepText(step.name);
  // BuildKit's name for the step has the values of most variables.
  const read = [contextSources(text), contextSources(stepText(step.name))].filter((one) => one !== undefined);
  const sources = read.find(({ exact }) => exact) ?? read[0];
  if (!sources) return { compared: [], notCompared: [] };
  const under = filesUnder(files, sources);
  if (under.type === 'files_changed') return found(under);
  if (under.type === 'same') return { compared: ['files'], notCompared: [] };
  return { compared: [], notCompared: [{ what: 'files', why: under.why }] };
}

/** Compares what the URLs that an ADD fetches returned. No digest of a step contains that. */
function changedRemote(step: GraphStep, twin: GraphStep | undefined, own?: TracedInstruction): Comparison {
  const { contents, name } = step;
  const urls = remoteSources(stepText(name));
  const isRemote = contents !== undefined || urls.length > 0 || (own && remoteSources(own.text).length > 0);
  if (!isRemote || step.isFetch) return { compared: [], notCompared: [] };
  const old = twin?.contents;
  if (!contents || old?.length !== contents.length)
    return { compared: [], notCompared: [{ what: 'remote_content', why: 'not_recorded' }] };
  const at = contents.findIndex((content, i) => content !== old[i]);
  const [from, to] = [old[at], contents[at]];
  if (from === undefined || to === undefined) return { compared: ['remote_content'], notCompared: [] };
  // A URL that is the value of an argument isn't recorded.
  const url = (urls.length === contents.length && urls[at]) || stepText(name);
  return found({ type: 'remote_content_changed', url, from, to });
}
