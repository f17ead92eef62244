import type { Io } from '../io/output.ts';

/** Spellings of the previous version, with those that replaced them. They work for one more version. */
const RENAMED: Readonly<Record<string, string>> = {
  'host remove': 'host rm',
  'token revoke': 'token rm',
  'registry login': 'registry set',
  'registry logout': 'registry rm',
  'cache modes': 'cache-mode ls',
  'cache set-mode': 'cache-mode set',
  'cache snapshots': 'snapshot ls',
  'cache save': 'snapshot create',
  'cache export': 'snapshot export',
  'cache import': 'snapshot import',
  'cache remove-snapshot': 'snapshot rm',
  deliveries: 'delivery ls',
};

const LIMIT_COMMANDS: ReadonlySet<string> = new Set(['ls', 'set', 'show', 'help', '--help', '-h']);
const DELIVERY_ID = /^[0-9a-z]{26}$/i;
/** Flags of every command of the previous version that have a value. */
const VALUED: ReadonlySet<string> = new Set(['--url', '--token']);

/** A command line of the previous version as it is spelt now. */
export interface Respelt {
  readonly argv: readonly string[];
  /** The words that were replaced, and those that replaced them, without `kiln`. */
  readonly old: string;
  readonly now: string;
}

/** Returns a command line of the previous version as it is spelt now; undefined if nothing has changed about it. */
export function respell(argv: readonly string[]): Respelt | undefined {
  const [first = '', second = ''] = argv;
  const become = (length: number, now: string, rest = argv.slice(length)): Respelt => ({
    ...{ argv: [...now.split(' '), ...rest], old: argv.slice(0, length).join(' '), now },
  });
  if (first === 'hosts') {
    const isNamed = hasOperand(argv.slice(1)) && !argv.includes('--cheapest-to-lose');
    return become(1, isNamed ? 'host show' : 'host ls');
  }
  if (first === 'limits') return become(1, LIMIT_COMMANDS.has(second) ? 'limit' : 'limit show');
  if (first === 'delivery' && DELIVERY_ID.test(argv.slice(1).find((word) => !word.startsWith('-')) ?? '')) {
    const rest = argv.slice(1).filter((word) => word !== '--redeliver');
    return become(1, rest.length < argv.length - 1 ? 'delivery redeliver' : 'delivery show', rest);
  }
  for (const length of [1, 2]) {
    const words = argv.slice(0, length).join(' ');
    const now = Object.hasOwn(RENAMED, words) ? RENAMED[words] : undefined;
    if (now !== undefined && argv.length >= length) return become(length, now);
  }
  return undefined;
}

/** Says once how an old spelling is spelt now. */
export function sayRespelt({ old, now }: Respelt, { err }: Pick<Io, 'err'>): void {
  err.line(`kiln: \`kiln ${old}\` is now \`kiln ${now}\`; the old spelling works until the next version`);
}

function hasOperand(args: readonly string[]): boolean {
  return args.some((word, i) => !word.startsWith('-') && !VALUED.has(args[i - 1] ?? ''));
}
