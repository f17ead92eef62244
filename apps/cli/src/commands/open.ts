import { EXIT } from '../io/exit-codes.ts';
import { openBrowser } from '../io/open-browser.ts';
import { clientCommand } from '../server/client-command.ts';
import { resolveId } from './build/build-id.ts';
import { SUMMARIES } from './summaries.ts';

export const openCommand = clientCommand(
  {
    name: 'open',
    synopsis: '[ID]',
    summary: SUMMARIES.open,
    description:
      'Open the page of Kiln in the browser, or that of a build. Where no browser can be opened, as over SSH, print its address. $BROWSER names another browser.',
    examples: ['kiln open', 'kiln open 00aaaaaa', 'kiln open --no-browser 00aaaaaa'],
    operands: [0, 1],
    flags: { 'no-browser': { kind: 'bool', short: 'n', help: 'Print the address instead' } },
  },
  async ({ flags, client, operands: [id], io }) => {
    const path = id === undefined ? '/' : `/builds/${await resolveId(client, id)}`;
    const url = `${client.url}${path}`;
    if (flags.json) io.out.line(JSON.stringify({ url }));
    else if (flags['no-browser'] || !(await openBrowser(url, io.env))) io.out.line(url);
    else io.err.line(`Opened ${url}`);
    return EXIT.ok;
  },
);
