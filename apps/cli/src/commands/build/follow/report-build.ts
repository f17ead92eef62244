import type { KilnClient } from '@kiln/client';
import type { BuildView } from '@kiln/contracts';
import type { Io } from '../../../io/output.ts';
import { failureSummary } from '../../../progress/failure-summary.ts';
import { ProgressModel } from '../../../progress/model.ts';
import type { ProgressView } from '../../../progress/view.ts';
import { followBuild } from './follow-build.ts';
import type { Interruption } from './interruption.ts';

export interface ReportOptions {
  readonly client: KilnClient;
  readonly build: BuildView;
  readonly view: ProgressView;
  readonly interruption: Interruption;
  readonly json: boolean | undefined;
  readonly io: Pick<Io, 'out' | 'err'>;
}

/** Shows a build from its introduction to its end, including why it failed, closes the view, and returns the build. */
export async function reportBuild({ client, build, view, interruption, json, io }: ReportOptions): Promise<BuildView> {
  view.say(introduction(build));
  const model = new ProgressModel();
  const ended = await followBuild({ client, build, view, model, interruption });
  view.close();
  if (json) io.out.line(JSON.stringify({ type: 'build', build: ended }));
  if (ended.state !== 'succeeded') io.err.write(failureSummary(ended, model, io.err));
  return ended;
}

function introduction({ id, sharedRun }: BuildView): string {
  return sharedRun === undefined ? `build ${id}` : `build ${id}, which shares the run of build ${sharedRun}`;
}
