import {
  type FieldProblem,
  FORGES,
  type ForgeEvent,
  fieldProblems,
  type KilnConfig,
  type RepoSettings,
  repoSettings,
} from '@kiln/contracts';
import { explain } from '@kiln/forges';
import { localCommand } from '../../framework/command.ts';
import { printJson } from '../../framework/print.ts';
import { FlagError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { readJson, readText } from '../../io/read-file.ts';
import { CONFIG_FILE, problemLines, readConfig } from './check.ts';
import { printExplanation } from './print-explanation.ts';
import { readEvents } from './read-event.ts';

export const explainCommand = localCommand(
  {
    name: 'config explain',
    synopsis: '--event FILE',
    summary: 'Show which builds a webhook would create, and why not others',
    description: 'Show which builds a webhook would create and, for every other image, which filter excludes it.',
    examples: [
      '# With the body of a webhook that GitHub sent',
      'kiln config explain --event payload.json',
      '# As if other files had changed',
      'kiln config explain --event payload.json --changed docs/index.md',
    ],
    exitCodes: [
      ['0', 'the event was explained'],
      ['1', 'the file or the event is not valid'],
    ],
    operands: [0, 0],
    flags: {
      event: {
        kind: 'text',
        value: 'FILE',
        help: "JSON body of a webhook as the forge sent it, or an event in Kiln's own form; - is standard input",
      },
      config: { kind: 'text', value: 'FILE', help: `Configuration to use (default: ${CONFIG_FILE})` },
      forge: {
        kind: 'text',
        value: 'NAME',
        help: `${FORGES.join(', ')}; gitea includes Forgejo (default: detected from the body)`,
      },
      'event-name': {
        kind: 'text',
        value: 'NAME',
        help: "Event name from the forge's header, such as pull_request or pullrequest:created (default: detected)",
      },
      changed: { kind: 'list', value: 'PATH', help: 'Changed path, replacing those of the event (repeatable)' },
      settings: { kind: 'text', value: 'FILE', help: "JSON file with the server's settings of the repository" },
      json: { kind: 'bool', help: 'Print JSON' },
    },
  },
  async ({ flags, io }) => {
    if (flags.event === undefined) throw new FlagError('--event is required');
    const configPath = flags.config ?? CONFIG_FILE;
    const read = readConfig(await readText(configPath, io));
    if ('problems' in read) {
      io.err.write(problemLines(configPath, read.problems));
      return EXIT.invalid;
    }
    const events = readEvents(await readJson(flags.event, io), flags);
    if ('problems' in events) return reportProblems(flags.event, events.problems, io);
    const settings = await readSettings(flags.settings, io);
    if ('problems' in settings) return reportProblems(flags.settings ?? '', settings.problems, io);
    const explained = explainAll(events.events, read.config, settings.settings, flags.changed, io.now());
    if (flags.json) printJson(io, { events: explained });
    else for (const one of explained) printExplanation(one, io.out);
    return EXIT.ok;
  },
);

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

function reportProblems(path: string, problems: readonly FieldProblem[], io: Io): number {
  for (const { field, got, expected } of problems) {
    io.err.line(`${path}: ${field}: got ${got}, expected ${expected}`);
  }
  return EXIT.invalid;
}
