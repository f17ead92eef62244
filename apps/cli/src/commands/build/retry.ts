import { chooseView, readMode } from '../../progress/choose-view.ts';
import { followBuild, introduction } from './follow/follow-build.ts';
import { Interruption } from './follow/interruption.ts';
import { outcomeCode } from './follow/outcome.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { failureSummary } from '../../progress/failure-summary.ts';
import { ProgressModel } from '../../progress/model.ts';
import { runCommand } from '../../framework/command.ts';
import { resolveId } from './build-id.ts';

const SPEC = {
  usage: 'kiln retry [FLAGS] ID',
  about: 'Submits the same request again, as a new build. With -f follows it, and exits as kiln build does.',
  operands: [1, 1],
  flags: {
    follow: { kind: 'bool', short: 'f', help: 'Follow the new build; Ctrl-C cancels it' },
    progress: { kind: 'text', value: 'MODE', help: 'auto, plain, tty, quiet or rawjson' },
  },
} as const;

export function retryCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client, operands }) => {
    const mode = readMode({ progress: flags.progress, quiet: undefined, json: flags.json }, io);
    const build = await client.retry(await resolveId(client, operands[0] ?? ''));
    if (!flags.follow) {
      io.out.line(flags.json ? JSON.stringify(build) : build.id);
      return EXIT.ok;
    }
    const view = chooseView(mode, io);
    using interruption = new Interruption(io, () => view.close());
    try {
      view.say(introduction(build));
      const model = new ProgressModel();
      const ended = await followBuild({ client, build, view, model, interruption });
      view.close();
      if (flags.json) io.out.line(JSON.stringify({ type: 'build', build: ended }));
      if (ended.state !== 'succeeded') io.err.write(failureSummary(ended, model, io.err));
      return outcomeCode(ended, interruption.requested);
    } finally {
      view.close();
    }
  });
}
