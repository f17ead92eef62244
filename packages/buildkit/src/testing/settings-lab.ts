import { rm } from 'node:fs/promises';
import type { Outcome } from '@kiln/domain';
import { Builder, type BuilderOptions, type BuilderSettings } from '../index.ts';
import { begin, engine, labOptions, type TestBuild } from './lab.ts';

/** A build that has ended. */
export interface SettingsBuild {
  readonly outcome: Outcome;
  /** The steps' output. */
  readonly output: string;
  /** All log records, as JSON. */
  readonly records: string;
}

/** A builder in a container of its own, of the driver `docker-container`, which is restarted with other settings. Its first build starts it. */
export class SettingsLab implements AsyncDisposable {
  readonly #options: BuilderOptions;
  readonly #root: Buffer;

  private constructor(options: BuilderOptions, root: Buffer) {
    this.#options = options;
    this.#root = root;
  }

  /** @param root contents of `root.tar` in every build's context: see `smallRoot` */
  static async open(root: Buffer): Promise<SettingsLab> {
    return new SettingsLab(await labOptions({ driver: 'docker-container' }), root);
  }

  get container() {
    return engine.getContainer(this.#name);
  }

  get #name(): string {
    return `buildx_buildkit_kiln-lab-${this.#options.instance}-trusted0`;
  }

  /** Restarts the builder with these settings, as a restarted worker does, and runs a build. */
  async buildWith(settings: BuilderSettings, build: TestBuild): Promise<SettingsBuild> {
    return (await this.buildsWith(settings, [build]))[0];
  }

  /** The same for several builds, one after another on the builder that was restarted once. */
  async buildsWith<const T extends readonly TestBuild[]>(settings: BuilderSettings, builds: T) {
    await using builder = await Builder.start({ ...this.#options, settings });
    await builder.extendFence(Date.now() + 600_000);
    const built: SettingsBuild[] = [];
    for (const build of builds) {
      const running = begin(builder, { files: { 'root.tar': this.#root }, ...build });
      const outcome = await running.outcome;
      built.push({ outcome, output: running.output(), records: JSON.stringify(running.records) });
    }
    return built as { [Index in keyof T]: SettingsBuild };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.container.remove({ force: true });
    await engine.getVolume(`${this.#name}_state`).remove();
    await rm(this.#options.scratchDir, { recursive: true, force: true });
  }
}
