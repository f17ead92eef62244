import type { CheckView } from '@kiln/contracts';
import { defineCommand, HELP_FLAG } from '../../framework/command.ts';
import { printJson } from '../../framework/print.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { CONNECTION_FLAGS, CONNECTION_SECTION, findServer, NoServer } from '../../server/find-server.ts';
import { SUMMARIES } from '../summaries.ts';

const FLAGS = {
  local: { kind: 'bool', help: 'Check this machine as a host, by the settings of kiln worker in the environment' },
  registry: {
    kind: 'list',
    value: 'HOST',
    help: 'With --local: registry that this machine has to reach (default: docker.io, or its KILN_REGISTRY_MIRRORS)',
  },
  json: { kind: 'bool', help: 'Print JSON' },
} as const;

export const doctorCommand = defineCommand(
  {
    name: 'doctor',
    summary: SUMMARIES.doctor,
    description:
      'Check the pool: the server and its certificate, settings of Redis that lose builds, clocks, hosts, versions of engines, disks, certificates, and whether registries and forges can be reached. Say what to do about each problem. Checks inside the pool need a token with the scope hosts:operate; those of forges and registries, admin.\n\nWith --local, check this machine as a host instead: its engine and images, disk, registries, certificates, ports, Redis or the server that it joins, and its clock.',
    operands: [0, 0],
    flags: { ...FLAGS, ...CONNECTION_FLAGS },
    examples: ['kiln doctor', '# on a machine that is to become a host', 'kiln doctor --local --registry ghcr.io'],
    exitCodes: [
      ['0', 'No problems; there may be warnings'],
      ['1', 'At least one problem'],
      ['125', 'Wrong usage'],
    ],
  },
  [{ title: 'Flags', flags: { ...FLAGS, ...HELP_FLAG } }, CONNECTION_SECTION],
  async ({ flags, io }) => {
    const checks = flags.local ? await checkMachine(flags.registry, io.env) : await checkServer(flags, io);
    if (flags.json) printJson(io, { ok: !checks.some(isProblem), checks });
    else {
      const { doctorText } = await import('./doctor-text.ts');
      io.out.write(doctorText(checks, io.out));
    }
    return checks.some(isProblem) ? EXIT.notDone : EXIT.ok;
  },
);

function isProblem({ status }: CheckView): boolean {
  return status === 'problem';
}

async function checkMachine(
  registries: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<CheckView[]> {
  const { checkThisMachine } = await import('./check-machine.ts');
  return checkThisMachine(env, registries);
}

async function checkServer(
  flags: Parameters<typeof findServer>[0],
  { env }: { readonly env: Readonly<Record<string, string | undefined>> },
): Promise<CheckView[]> {
  try {
    const server = await findServer(flags, env);
    const { checkServer: check } = await import('./check-server.ts');
    return await check(server);
  } catch (error) {
    if (!(error instanceof NoServer)) throw error;
    return [
      {
        ...{ area: 'server', subject: 'address', status: 'problem', found: 'no server is configured' },
        advice: error.message.replace(/^no server configured: /, ''),
      },
    ];
  }
}
