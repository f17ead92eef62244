import { hasEnded } from '@kiln/client';
import { type BuildView, failureSentence, safeName, safeText } from '@kiln/contracts';
import type { Channel } from '../io/output.ts';
import { tameLine } from '../io/tame-line.ts';
import type { ProgressModel } from './model.ts';

const SHOWN_LINES = 10;
const RULE = '------';

/** Summarises a build that didn't succeed: the last lines of the failed step, the excerpt of the Dockerfile, and a sentence with the code. */
export function failureSummary(build: BuildView, model: ProgressModel, err: Channel): string {
  const { failure } = build;
  if (!hasEnded(build)) return `build ${build.id} continues for other builds that share its run\n`;
  const sentence = `build ${build.id} ${failure ? failureSentence(build.state, failure) : build.state}`;
  if (build.state === 'canceled') return `${sentence}\n`;
  const excerpt = failure?.excerpt ? `${safeText(failure.excerpt).trimEnd()}\n` : '';
  return `${stepTail(model, err)}${excerpt}${err.style(['red', 'bold'], 'ERROR:')} ${sentence}\n${advice(failure?.code)}`;
}

function advice(code: string | undefined): string {
  return code === 'no_fitting_host' ? 'to wait for such a host, add --wait-for-host\n' : '';
}

function stepTail(model: ProgressModel, err: Channel): string {
  const step = model.failed;
  const lines = step?.tail.last(SHOWN_LINES) ?? [];
  if (!step || lines.length === 0) return '';
  const shown = lines.map(({ at, text }) => {
    const since = Math.max(0, at - (step.startedAt ?? at)) / 1000;
    return `${since.toFixed(3)} ${tameLine(text, err.hasColour)}\n`;
  });
  return `${RULE}\n > ${safeName(step.name)}:\n${shown.join('')}${RULE}\n`;
}
