import type { Change } from '../shared/change.ts';
import type { Evaluation, EvaluationRequest } from '../shared/evaluation.ts';
import type { Flag, FlagDraft } from '../shared/flag.ts';
import type { Problem } from '../shared/problem.ts';
import type { Segment, SegmentDraft } from '../shared/segment.ts';
import type { UsagePoint } from '../shared/usage.ts';

export class RequestFailed extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.message);
    this.problem = problem;
  }
}

const path = (...parts: string[]) => `api/${parts.map(encodeURIComponent).join('/')}`;

export const api = {
  flags: () => get<Flag[]>(path('flags')),
  flag: (key: string) => get<Flag>(path('flags', key)),
  usage: (key: string) => get<UsagePoint[]>(path('flags', key, 'usage')),
  segments: () => get<Segment[]>(path('segments')),
  audit: () => get<Change[]>(path('audit')),
  saveFlag: (draft: FlagDraft, revision: number) => put<Flag>(path('flags', draft.key), draft, revision),
  deleteFlag: (key: string) => send<void>('DELETE', path('flags', key)),
  saveSegment: (draft: SegmentDraft, revision: number) => put<Segment>(path('segments', draft.key), draft, revision),
  deleteSegment: (key: string) => send<void>('DELETE', path('segments', key)),
  evaluate: (request: EvaluationRequest) => send<Evaluation[]>('POST', path('evaluations'), request),
};

function get<T>(url: string): Promise<T> {
  return send<T>('GET', url);
}

function put<T>(url: string, body: unknown, revision: number): Promise<T> {
  return send<T>('PUT', url, body, revision > 0 ? { 'if-match': `"${revision}"` } : {});
}

async function send<T>(method: string, url: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
  const response = await fetch(url, {
    method,
    headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const answer: unknown = text === '' ? undefined : JSON.parse(text);
  if (!response.ok) throw new RequestFailed(answer as Problem);
  return answer as T;
}
