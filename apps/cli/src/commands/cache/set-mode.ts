import { CACHE_MODES } from '@kiln/domain';
import { printJson } from '../../framework/print.ts';
import { FlagError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { clientCommand } from '../../server/client-command.ts';

export const setModeCommand = clientCommand(
  {
    name: 'cache-mode set',
    synopsis: 'REPO MODE',
    summary: 'Set the default cache mode of a repository',
    description:
      'Set the cache mode of a repository’s builds that name none: neither --cache, --cache-from or --cache-to, nor cache in .kiln.yaml. ' +
      'MODE is warm, registry, archive or fresh, or default to remove what is set.\n\n' +
      'It applies to builds of any subdirectory and Dockerfile of the repository; to set it for one of them only, name the repo as kiln ps does. ' +
      'Builds without a tag have no place for caches in a registry: with registry they are built as with warm.',
    examples: [
      'kiln cache-mode set github.com/acme/app archive',
      'kiln cache-mode set github.com/acme/app//services/api fresh',
      'kiln cache-mode set github.com/acme/app default',
    ],
    operands: [2, 2],
    flags: { team: { kind: 'text', value: 'NAME', help: 'Team of the repository (default: your own)' } },
  },
  async ({ flags, client, operands: [repo = '', word = ''], io }) => {
    const mode = CACHE_MODES.find((one) => one === word) ?? null;
    if (mode === null && word !== 'default') {
      throw new FlagError(`MODE: got ${JSON.stringify(word)}, expected ${CACHE_MODES.join(', ')} or default`);
    }
    const set = await client.setCacheMode({ repo, mode, ...(flags.team !== undefined && { team: flags.team }) });
    if (flags.json) printJson(io, set);
    else io.out.line(`${set.repo}: ${set.mode ?? 'no default of its own'}`);
    return EXIT.ok;
  },
);
