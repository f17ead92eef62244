import { EXIT } from '../../io/exit-codes.ts';
import { chooseView, readMode } from '../../progress/choose-view.ts';
import { clientCommand } from '../../server/client-command.ts';
import { SUMMARIES } from '../summaries.ts';
import { resolveId } from './build-id.ts';
import { Interruption } from './follow/interruption.ts';
import { outcomeCode } from './follow/outcome.ts';
import { reportBuild } from './follow/report-build.ts';
import { loginsAgain } from './logins/client-logins.ts';

export const retryCommand = clientCommand(
  {
    name: 'retry',
    synopsis: 'ID',
    summary: SUMMARIES.retry,
    description:
      'Submit the request of a build again as a new build and print its id. With -f, follow the new build and exit with the codes of kiln build.',
    operands: [1, 1],
    flags: {
      'no-client-logins': {
        kind: 'bool',
        help: "Don't send this machine's logins to the registries for which the build had some; same as KILN_CLIENT_LOGINS=off",
      },
      follow: { kind: 'bool', short: 'f', help: 'Follow the new build; Ctrl-C cancels it' },
      progress: {
        kind: 'text',
        value: 'MODE',
        help: 'auto, plain, tty, quiet or rawjson (default: $BUILDKIT_PROGRESS or auto)',
      },
    },
  },
  async ({ flags, client, operands, io }) => {
    const mode = readMode({ progress: flags.progress, quiet: undefined, json: flags.json }, io);
    const id = await resolveId(client, operands[0] ?? '');
    const { logins, warnings } = await loginsAgain(await client.get(id), flags['no-client-logins'], io.env);
    for (const warning of warnings) io.err.line(`kiln: ${warning}`);
    const build = await client.retry(id, logins.length > 0 ? { registryLogins: [...logins] } : {});
    if (!flags.follow) {
      io.out.line(flags.json ? JSON.stringify(build) : build.id);
      return EXIT.ok;
    }
    const view = await chooseView(mode, io);
    using interruption = new Interruption(io, () => view.close());
    try {
      const ended = await reportBuild({ client, build, view, interruption, json: flags.json, io });
      return outcomeCode(ended, interruption.requested);
    } finally {
      view.close();
    }
  },
);
