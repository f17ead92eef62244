import type { Command } from '../framework/command.ts';
import { SUMMARIES } from './summaries.ts';

/** A command that is listed, and loaded only to be run or documented: no command waits for the modules of another one. */
export interface ListedCommand {
  /** One line for lists of commands. */
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

export interface CommandSection<T = ListedCommand> {
  readonly title: string;
  readonly commands: Readonly<Record<string, T>>;
}

/** All commands of `kiln`, in the order of its help. */
export const CATALOG: readonly CommandSection[] = [
  {
    title: 'Builds',
    commands: {
      build: { summary: SUMMARIES.build, load: async () => (await import('./build/build.ts')).buildCommand },
      bake: { summary: SUMMARIES.bake, load: async () => (await import('./bake/bake.ts')).bakeCommand },
      compose: { summary: SUMMARIES.compose, load: async () => (await import('./bake/compose.ts')).composeCommand },
      ci: { summary: SUMMARIES.ci, load: async () => (await import('./ci/ci.ts')).ciCommand },
      builds: { summary: SUMMARIES.builds, load: async () => (await import('./build/builds-group.ts')).buildsCommand },
      ps: { summary: SUMMARIES.ps, load: async () => (await import('./build/ps.ts')).psCommand },
      logs: { summary: SUMMARIES.logs, load: async () => (await import('./build/logs.ts')).logsCommand },
      why: { summary: SUMMARIES.why, load: async () => (await import('./build/why.ts')).whyCommand },
      'why-slow': {
        summary: SUMMARIES['why-slow'],
        load: async () => (await import('./build/why-slow.ts')).whySlowCommand,
      },
      open: { summary: SUMMARIES.open, load: async () => (await import('./open.ts')).openCommand },
      cancel: { summary: SUMMARIES.cancel, load: async () => (await import('./build/cancel.ts')).cancelCommand },
      retry: { summary: SUMMARIES.retry, load: async () => (await import('./build/retry.ts')).retryCommand },
      schedule: {
        summary: SUMMARIES.schedule,
        load: async () => (await import('./schedule/group.ts')).scheduleCommand,
      },
    },
  },
  {
    title: 'Pool',
    commands: {
      up: { summary: SUMMARIES.up, load: async () => (await import('./pool/up.ts')).upCommand },
      worker: { summary: SUMMARIES.worker, load: async () => (await import('./pool/worker.ts')).workerCommand },
      top: { summary: SUMMARIES.top, load: async () => (await import('./top/top.ts')).topCommand },
      host: { summary: SUMMARIES.host, load: async () => (await import('./host/group.ts')).hostCommand },
      doctor: { summary: SUMMARIES.doctor, load: async () => (await import('./doctor/doctor.ts')).doctorCommand },
      cache: { summary: SUMMARIES.cache, load: async () => (await import('./cache/group.ts')).cacheCommand },
      'cache-mode': {
        summary: SUMMARIES['cache-mode'],
        load: async () => (await import('./cache/mode-group.ts')).cacheModeCommand,
      },
      snapshot: {
        summary: SUMMARIES.snapshot,
        load: async () => (await import('./cache/snapshot-group.ts')).snapshotCommand,
      },
    },
  },
  {
    title: 'Webhooks',
    commands: {
      config: { summary: SUMMARIES.config, load: async () => (await import('./config/group.ts')).configCommand },
      connection: {
        summary: SUMMARIES.connection,
        load: async () => (await import('./connection/group.ts')).connectionCommand,
      },
      delivery: {
        summary: SUMMARIES.delivery,
        load: async () => (await import('./delivery/group.ts')).deliveryCommand,
      },
      hook: { summary: SUMMARIES.hook, load: async () => (await import('./hook/group.ts')).hookCommand },
    },
  },
  {
    title: 'Secrets',
    commands: {
      secret: { summary: SUMMARIES.secret, load: async () => (await import('./secret/group.ts')).secretCommand },
      registry: {
        summary: SUMMARIES.registry,
        load: async () => (await import('./secret/registry.ts')).registryCommand,
      },
      'git-token': {
        summary: SUMMARIES['git-token'],
        load: async () => (await import('./secret/git-token.ts')).gitTokenCommand,
      },
    },
  },
  {
    title: 'Access',
    commands: {
      login: { summary: SUMMARIES.login, load: async () => (await import('./login/login.ts')).loginCommand },
      logout: { summary: SUMMARIES.logout, load: async () => (await import('./login/login.ts')).logoutCommand },
      context: { summary: SUMMARIES.context, load: async () => (await import('./context/group.ts')).contextCommand },
      whoami: { summary: SUMMARIES.whoami, load: async () => (await import('./token/whoami.ts')).whoamiCommand },
      token: { summary: SUMMARIES.token, load: async () => (await import('./token/group.ts')).tokenCommand },
      limit: { summary: SUMMARIES.limit, load: async () => (await import('./limits/group.ts')).limitCommand },
      audit: { summary: SUMMARIES.audit, load: async () => (await import('./audit/audit.ts')).auditCommand },
    },
  },
  {
    title: 'This command',
    commands: {
      completion: {
        summary: SUMMARIES.completion,
        load: async () => (await import('./completion/completion.ts')).completionCommand,
      },
      version: { summary: SUMMARIES.version, load: async () => (await import('./version.ts')).versionCommand },
    },
  },
];

/** All commands by name. */
export const COMMANDS: Readonly<Record<string, ListedCommand>> = Object.assign(
  {},
  ...CATALOG.map(({ commands }) => commands),
);

/** Loads all commands. */
export function loadCatalog(): Promise<CommandSection<Command>[]> {
  return Promise.all(
    CATALOG.map(async ({ title, commands }) => {
      const loaded = Object.entries(commands).map(async ([name, { load }]) => [name, await load()] as const);
      return { title, commands: Object.fromEntries(await Promise.all(loaded)) };
    }),
  );
}
