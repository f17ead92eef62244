import type { Runner } from './runners.ts';

/** How the log of a job is marked up. All text is in lines of its own. */
export interface JobLog {
  /** Begins a group that can be folded. */
  open(id: number, title: string): string;
  close(id: number): string;
  /** Draws attention to a line of a file. */
  error(message: string, at: { readonly file?: string | undefined; readonly line?: number | undefined }): string;
}

/** The notation of a CI system. `nowSeconds`: the time since the epoch. */
export function jobLog(runner: Runner, nowSeconds: () => number): JobLog {
  switch (runner) {
    case 'github':
      return {
        open: (_, title) => `::group::${oneLine(title)}\n`,
        close: () => '::endgroup::\n',
        error: (message, { file, line }) => {
          const at = [file && `file=${property(file)}`, line && `line=${line}`, 'title=Build failed'].filter(Boolean);
          return `::error ${at.join(',')}::${data(message)}\n`;
        },
      };
    case 'gitlab':
      return {
        open: (id, title) =>
          `\u001b[0Ksection_start:${nowSeconds()}:kiln_${id}[collapsed=true]\r\u001b[0K${oneLine(title)}\n`,
        close: (id) => `\u001b[0Ksection_end:${nowSeconds()}:kiln_${id}\r\u001b[0K\n`,
        error: plainError,
      };
    default:
      return { open: (_, title) => `--- ${oneLine(title)}\n`, close: () => '', error: plainError };
  }
}

function plainError(message: string, { file, line }: Parameters<JobLog['error']>[1]): string {
  const at = file === undefined ? '' : `${file}${line === undefined ? '' : `:${line}`}: `;
  return `ERROR: ${at}${message}\n`;
}

function oneLine(text: string): string {
  return text.replace(/[\r\n]+/g, ' ');
}

/** Escapes the message of a workflow command. */
function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

/** Escapes a property of a workflow command. */
function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
