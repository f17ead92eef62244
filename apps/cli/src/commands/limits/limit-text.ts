import { bytes, type LimitView } from '@kiln/contracts';

type Limits = LimitView['limits'];

/** Describes the limits of a team or token, a line each. */
export function limitRows({ kind, name, limits, set, running, queued, storedBytes }: LimitView): string {
  const rows = limitTexts(limits, kind).map(
    ([label, text]) => [label, text, label in marks(set) ? 'set' : ''] as const,
  );
  const used: Readonly<Record<string, string>> = {
    [LABELS.concurrentBuilds]: `${running} of `,
    [LABELS.queuedBuilds]: `${queued} of `,
    [LABELS.storedBytes]: `${bytes(storedBytes ?? 0)} of `,
  };
  const lines = rows.map(([label, text, mark]) => {
    const line = `  ${label.padEnd(14)} ${used[label] ?? ''}${text}`;
    return mark === '' ? line : `${line} (${mark})`;
  });
  return [`${kind} ${name}`, ...lines].join('\n');
}

/** Describes the limits that are set, on one line. */
export function settingsText(set: LimitView['set']): string {
  const known = marks(set);
  return (
    limitTexts({ ...NOTHING, ...definedOf(set) })
      .filter(([label]) => label in known)
      .map(([label, text]) => `${label} ${text}`)
      .join('; ') || 'nothing'
  );
}

const NOTHING: Limits = {
  concurrentBuilds: 'unlimited',
  queuedBuilds: 'unlimited',
  requestsPerMinute: 'unlimited',
  logBytes: 'unlimited',
  contextBytes: 'unlimited',
  artifactBytes: 'unlimited',
  storedBytes: 'unlimited',
  registries: [],
  gitHosts: [],
};

const LABELS = {
  concurrentBuilds: 'running',
  queuedBuilds: 'queued',
  requestsPerMinute: 'requests',
  logBytes: 'log',
  contextBytes: 'context',
  artifactBytes: 'artifact',
  storedBytes: 'stored',
  registries: 'registries',
  gitHosts: 'git hosts',
} as const satisfies Readonly<Record<keyof Limits, string>>;

/** Storage is counted by team, so a token has no row for it. */
function limitTexts(limits: Limits, kind: LimitView['kind'] = 'team'): [label: string, text: string][] {
  const number = (limit: number | 'unlimited', unit: (count: number) => string = String) =>
    limit === 'unlimited' ? limit : unit(limit);
  const list = (targets: readonly string[]) =>
    targets.length === 0 ? 'none' : targets.includes('*') ? 'any' : targets.join(', ');
  const stored: [string, string] = [LABELS.storedBytes, number(limits.storedBytes, bytes)];
  return [
    [LABELS.concurrentBuilds, number(limits.concurrentBuilds)],
    [LABELS.queuedBuilds, number(limits.queuedBuilds)],
    [LABELS.requestsPerMinute, number(limits.requestsPerMinute, (count) => `${count} a minute`)],
    [LABELS.logBytes, number(limits.logBytes, bytes)],
    [LABELS.contextBytes, number(limits.contextBytes, bytes)],
    [LABELS.artifactBytes, number(limits.artifactBytes, bytes)],
    ...(kind === 'team' ? [stored] : []),
    [LABELS.registries, list(limits.registries)],
    [LABELS.gitHosts, list(limits.gitHosts)],
  ];
}

/** The labels of the limits that are set. */
function marks(set: LimitView['set']): Readonly<Record<string, true>> {
  return Object.fromEntries(Object.keys(definedOf(set)).map((name) => [LABELS[name as keyof Limits], true]));
}

function definedOf(set: LimitView['set']): Partial<Limits> {
  return Object.fromEntries(Object.entries(set).filter(([, value]) => value !== undefined));
}
