import type { BuildRequestInput } from '@kiln/contracts';
import { DOCKER_FLAGS, KILN_FLAGS } from '../build/request/build-flags.ts';
import { gitSourceOf } from '../build/request/git-source.ts';
import { buildRequestOf } from '../build/request/build-request.ts';
import { readSecrets } from '../build/request/secret-flag.ts';
import { runCommand } from '../../framework/command.ts';
import { FlagError, UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { whenText } from './when-text.ts';

const { push, tag, file, target, platform, secret, label, memory, provenance, sbom, attest, pull } = DOCKER_FLAGS;
const { ref, team, priority, timeout, cpus, weight, dedupe, supersede } = KILN_FLAGS;

const SPEC = {
  usage: 'kiln schedule create [FLAGS] NAME GIT_URL',
  about:
    'Has a git repository built at certain times; each time is one build. GIT_URL as for kiln build: https://host/repo.git#branch:subdir. ' +
    'The branch is looked up each time.',
  operands: [2, 2],
  flags: {
    cron: {
      kind: 'text',
      value: 'TIMES',
      help: 'Minute, hour, day of the month, month, day of the week: "0 3 * * 1-5"',
    },
    timezone: { kind: 'text', value: 'ZONE', help: 'In which they are meant, such as Europe/Berlin (default: UTC)' },
    prewarm: {
      kind: 'bool',
      help: 'Only to keep the caches warm: no output, after all other builds, and one that still waits makes way for the next',
    },
    paused: { kind: 'bool', help: 'Not before it is resumed' },
    ...{ tag, push, file, target, platform, secret, label, memory, provenance, sbom, attest, pull },
    'build-arg': DOCKER_FLAGS['build-arg'],
    'no-cache': DOCKER_FLAGS['no-cache'],
    ...{ ref, team, priority, timeout, cpus, weight, dedupe, supersede },
    'stored-secret': KILN_FLAGS['stored-secret'],
    'cache-scope': KILN_FLAGS['cache-scope'],
    'host-label': KILN_FLAGS['host-label'],
    'concurrency-key': KILN_FLAGS['concurrency-key'],
  },
} as const;

export function createCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client, operands: [name = '', url = ''] }) => {
    if (flags.cron === undefined) throw new FlagError('at what times? Give --cron');
    if (flags.prewarm && flags.push) throw new FlagError('give --prewarm or --push, not both');
    const source = gitSourceOf(url, flags.ref);
    if (!source) throw new UsageError(`${url}: expected a git URL; what lies here only is not here at that time`);
    const secrets = await readSecrets(flags.secret, io.env, io.cwd);
    for (const warning of secrets.warnings) io.err.line(`kiln: ${warning}`);
    const request: BuildRequestInput = {
      ...buildRequestOf({
        ...{ flags, source, env: io.env, secrets: secrets.values, dockerfile: flags.file },
        plan: { output: flags.push ? 'push' : 'none', names: [] },
      }),
      ...(flags.prewarm && prewarming(name, flags.priority === undefined)),
    };
    const schedule = await client.createSchedule({
      ...{ name, cron: flags.cron, request },
      ...(flags.timezone !== undefined && { timezone: flags.timezone }),
      ...(flags.paused && { paused: true }),
    });
    if (flags.json) io.out.line(JSON.stringify(schedule, null, 2));
    else io.out.line(`${schedule.id} (${name}): ${whenText(schedule, io.now())}`);
    return EXIT.ok;
  });
}

function prewarming(name: string, isPriorityFree: boolean): Partial<BuildRequestInput> {
  return {
    concurrencyKey: `prewarm:${name}`,
    supersede: 'queued',
    ...(isPriorityFree && { priority: 'batch' }),
  };
}
