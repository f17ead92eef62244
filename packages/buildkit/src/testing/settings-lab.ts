import { Builder, type BuilderSettings } from '../index.ts';
import { begin, engine, type Lab, lab, type TestBuild } from './lab.ts';

/** A builder in a container of its own, of the driver `docker-container`, which is restarted with other settings. */
export class SettingsLab implements AsyncDisposable {
  readonly #lab: Lab;
  readonly #root: Buffer;

  private constructor(own: Lab, root: Buffer) {
    this.#lab = own;
    this.#root = root;
  }

  /** @param root contents of `root.tar` in every build's context: see `smallRoot` */
  static async start(root: Buffer): Promise<SettingsLab> {
    return new SettingsLab(await lab({ driver: 'docker-container' }), root);
  }

  get container() {
    return engine.getContainer(this.#name);
  }

  get #name(): string {
    return `buildx_buildkit_kiln-lab-${this.#lab.options.instance}-trusted0`;
  }

  /** Restarts the builder with these settings, as a restarted worker does, and runs a build. */
  async buildWith(settings: BuilderSettings, build: TestBuild) {
    await this.#lab.builder.close();
    await using builder = await Builder.start({ ...this.#lab.options, settings });
    await builder.extendFence(Date.now() + 600_000);
    const running = begin(builder, { files: { 'root.tar': this.#root }, ...build });
    const outcome = await running.outcome;
    return { outcome, output: running.output(), records: JSON.stringify(running.records) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lab[Symbol.asyncDispose]();
    await this.container.remove({ force: true });
    await engine.getVolume(`${this.#name}_state`).remove();
  }
}
