import {
  type FieldProblem,
  type ForgeEvent,
  fieldProblems,
  type KilnConfig,
  type RepoSettings,
  repoSettings,
} from '@kiln/contracts';
import { explain } from '@kiln/forges';
import { runLocalCommand } from '../../framework/command.ts';
import { UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { CONFIG_FILE, problemLines, readConfig } from './check.ts';
import { printExplanation } from './print-explanation.ts';
import { readEvents } from './read-event.ts';
import { readJson, readText } from '../../io/read-file.ts';

const SPEC = {
  usage: 'kiln config explain --event FILE [FLAGS]',
  about:
    'Says which builds a webhook would make, and for every other image which filter said no. Exit code: 0 explained, 1 the file or the event is not right.',
  operands: [0, 0],
  flags: {
    event: {
      kind: 'text',
      value: 'FILE',
      help: 'A webhook’s JSON body as the forge sent it, or an event in Kiln’s form; - for stdin',
    },
    config: { kind: 'text', value: 'FILE', help: `Default: ${CONFIG_FILE} here` },
    forge: {
      kind: 'text',
      value: 'NAME',
      help: 'github, gitlab, gitea (Forgejo too) or bitbucket; default: what it looks like',
    },
    'event-name': {
      kind: 'text',
      value: 'NAME',
      help: 'What the forge’s header says, such as pull_request or pullrequest:created',
    },
    changed: { kind: 'list', value: 'PATH', help: 'A path that changed, instead of those of the event; repeat it' },
    settings: { kind: 'text', value: 'FILE', help: 'What the server holds of the repository, as JSON' },
    json: { kind: 'bool', help: 'JSON on standard output' },
  },
} as const;

export function explainCommand(args: readonly string[], io: Io): Promise<number> {
  return runLocalCommand(SPEC, args, io, async ({ flags }) => {
    if (flags.event === undefined) throw new UsageError(`--event is needed: usage: ${SPEC.usage}`);
    const configPath = flags.config ?? CONFIG_FILE;
    const read = readConfig(await readText(configPath, io));
    if ('problems' in read) {
      io.err.write(problemLines(configPath, read.problems));
      return EXIT.invalid;
    }
    const events = readEvents(await readJson(flags.event, io), flags);
    if ('problems' in events) return complain(flags.event, events.problems, io);
    const settings = await readSettings(flags.settings, io);
    if ('problems' in settings) return complain(flags.settings ?? '', settings.problems, io);
    const explained = explainAll(events.events, read.config, settings.settings, flags.changed, io.now());
    if (flags.json) io.out.line(JSON.stringify({ events: explained }, null, 2));
    else for (const one of explained) printExplanation(one, io.out);
    return EXIT.ok;
  });
}

function explainAll(
  events: readonly ForgeEvent[],
  config: KilnConfig,
  settings: RepoSettings,
  changed: readonly string[],
  nowMs: number,
) {
  return events.map((event) => explain(withChanged(event, changed), config, settings, nowMs));
}

function withChanged(event: ForgeEvent, paths: readonly string[]): ForgeEvent {
  if (paths.length === 0 || !('changed' in event)) return event;
  return { ...event, changed: { complete: true, paths: [...paths] } };
}

async function readSettings(
  path: string | undefined,
  io: Io,
): Promise<{ readonly settings: RepoSettings } | { readonly problems: readonly FieldProblem[] }> {
  const json = path === undefined ? {} : await readJson(path, io);
  const parsed = repoSettings.safeParse(json);
  return parsed.success ? { settings: parsed.data } : { problems: fieldProblems(parsed.error, json) };
}

function complain(path: string, problems: readonly FieldProblem[], io: Io): number {
  for (const { field, got, expected } of problems) {
    io.err.line(`${path}: ${field}: got ${got}, expected ${expected}`);
  }
  return EXIT.invalid;
}
