import { parseArgs } from 'node:util';
import { POLICIES } from './policies/catalog.ts';
import { SCENARIOS } from './trace/scenarios.ts';

/** A flag with a bad value. The message gives the flag, what it got and what was expected. */
export class FlagError extends Error {
  readonly code = 'bad_flag';
  constructor(flag: string, got: string, expected: string) {
    super(`${flag}: got ${got}, expected ${expected}`);
  }
}

export interface SimulateOptions {
  readonly help: boolean;
  readonly suite: boolean;
  /** How many random pools to play instead of scenarios. */
  readonly pools: number | undefined;
  readonly scenarios: readonly string[];
  readonly seeds: readonly number[];
  readonly policies: readonly string[];
  readonly trace: string | undefined;
  readonly saveTrace: string | undefined;
  readonly exportTo: string | undefined;
  readonly svg: string | undefined;
  readonly json: string | undefined;
  readonly depKnown: boolean;
  /** Whether ways to evict and seed caches are compared instead of policies. */
  readonly caches: boolean;
}

export const USAGE = `npm run simulate -- [FLAGS]

Plays traces against Kiln's placement and the policies it is compared with, on a virtual clock.

  --scenario NAME[,…]  ${SCENARIOS.map(({ name }) => name).join(', ')}; default: busy
  --seed N[,…]         seeds of the traces; default: 1, with --suite 101,102,103; with --pools the first seed
  --policy NAME[,…]    ${Object.keys(POLICIES).join(', ')}; default: all
  --suite              play every scenario; print tables of ratios to the bound
  --pools N            play N random pools; print a line for each
  --caches             with --pools: compare eviction by least recent use and by worth, without and with seeding
  --trace FILE         play a recorded trace (JSON lines; docs/develop/placement.md)
  --export FILE        record the history of the pool at KILN_URL (with KILN_TOKEN) as such a trace, and exit
  --save-trace FILE    write the trace that was played
  --hide-deps          hide the builds' dependency versions from the policies, as in production
  --svg FILE           write a chart of the times to finish
  --json FILE          write all figures
`;

const FLAGS = {
  help: { type: 'boolean', short: 'h', default: false },
  suite: { type: 'boolean', default: false },
  pools: { type: 'string' },
  caches: { type: 'boolean', default: false },
  scenario: { type: 'string' },
  seed: { type: 'string' },
  policy: { type: 'string' },
  trace: { type: 'string' },
  'save-trace': { type: 'string' },
  export: { type: 'string' },
  'hide-deps': { type: 'boolean', default: false },
  svg: { type: 'string' },
  json: { type: 'string' },
} as const;

/** @throws FlagError */
export function readOptions(args: readonly string[]): SimulateOptions {
  const { values } = parse(args);
  const { suite, trace, svg } = values;
  const pools = values.pools === undefined ? undefined : poolsOf(values.pools);
  if (pools !== undefined) {
    for (const flag of ['suite', 'scenario', 'trace', 'svg', 'save-trace'] as const) {
      const value = values[flag];
      if (value) throw new FlagError(`--${flag}`, String(value), 'nothing beside --pools, which makes its own traces');
    }
  }
  if (suite && trace !== undefined)
    throw new FlagError('--trace', trace, 'nothing beside --suite, which makes its own traces');
  if (suite && svg !== undefined) throw new FlagError('--svg', svg, 'nothing beside --suite: a chart shows one trace');
  const saved = values['save-trace'];
  if (suite && saved !== undefined)
    throw new FlagError('--save-trace', saved, 'nothing beside --suite: a file contains one trace');
  if (trace !== undefined && values.scenario !== undefined) {
    throw new FlagError('--scenario', values.scenario, 'nothing beside --trace');
  }
  const scenarios = values.scenario?.split(',') ?? (suite ? SCENARIOS.map(({ name }) => name) : ['busy']);
  for (const name of scenarios)
    oneOf(
      '--scenario',
      name,
      SCENARIOS.map((scenario) => scenario.name),
    );
  const policies = values.policy?.split(',') ?? Object.keys(POLICIES);
  for (const name of policies) oneOf('--policy', name, Object.keys(POLICIES));
  if (values.caches && pools === undefined) throw new FlagError('--caches', 'no --pools', '--pools N beside it');
  if (!values.caches && pools !== undefined && policies.every((name) => name === 'kiln')) {
    throw new FlagError('--policy', policies.join(','), 'another policy beside kiln, to compare it with');
  }
  const seeds = (values.seed ?? (suite ? '101,102,103' : '1')).split(',').map(seedOf);
  for (const [flag, file] of [
    ['--svg', svg],
    ['--save-trace', saved],
  ] as const) {
    if (file === undefined || (scenarios.length === 1 && seeds.length === 1)) continue;
    throw new FlagError(flag, file, 'one scenario and one seed: the file is of one trace');
  }
  return {
    help: values.help,
    suite,
    pools,
    scenarios,
    seeds,
    policies,
    trace,
    saveTrace: saved,
    exportTo: values.export,
    svg,
    json: values.json,
    caches: values.caches,
    depKnown: !values['hide-deps'],
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: FLAGS, allowPositionals: false });
  } catch (error) {
    const [what = ''] = (error as Error).message.split('. ');
    throw new FlagError('flags', args.join(' '), `those of --help: ${what}`);
  }
}

function oneOf(flag: string, value: string, allowed: readonly string[]): void {
  if (!allowed.includes(value)) throw new FlagError(flag, JSON.stringify(value), `one of ${allowed.join(', ')}`);
}

function poolsOf(text: string): number {
  const pools = Number(text);
  if (!Number.isSafeInteger(pools) || pools < 1) {
    throw new FlagError('--pools', JSON.stringify(text), 'a whole number from 1 on');
  }
  return pools;
}

function seedOf(text: string): number {
  const seed = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(seed) || seed < 0) {
    throw new FlagError('--seed', JSON.stringify(text), 'a whole number from 0 on');
  }
  return seed;
}
