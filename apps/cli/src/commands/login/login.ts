import { localCommand } from '../../framework/command.ts';
import { SUMMARIES } from '../summaries.ts';
import { LOGIN_FLAGS } from './login-flags.ts';

export const loginCommand = localCommand(
  {
    name: 'login',
    synopsis: '[URL]',
    summary: SUMMARIES.login,
    description:
      'Log in to a Kiln, and use it from then on. Where the server has a login, a page opens in the browser, here or on any other machine; otherwise a token is read, from a prompt or from standard input. ' +
      'Address and token are stored as a context, in a file that only you can read; kiln context lists them. Without URL, log in again to the context in use.',
    examples: [
      'kiln login https://kiln.example.com',
      '# With a token, as in a script',
      'kiln login --token-stdin https://kiln.example.com < token',
      '# A second pool, by a name of your choice',
      'kiln login --name staging https://kiln.staging.example.com',
    ],
    operands: [0, 1],
    flags: LOGIN_FLAGS,
  },
  async (invocation) => (await import('./run-login.ts')).runLogin(invocation),
);

export const logoutCommand = localCommand(
  {
    name: 'logout',
    synopsis: '[NAME]',
    summary: SUMMARIES.logout,
    description:
      'Log out of a context, by default the one in use: end the session on the server if kiln login began it in the browser, and remove the token from this machine. The context and its address are kept. Other tokens stay valid; kiln token rm revokes them.',
    examples: ['kiln logout', 'kiln logout staging'],
    operands: [0, 1],
    flags: {},
  },
  async (invocation) => (await import('./run-logout.ts')).runLogout(invocation),
);
