import type { ReactNode } from 'react';
import { RequestFailed } from '../api.ts';

export function ErrorNote({ error }: { error: Error | undefined }): ReactNode {
  if (error === undefined) return null;
  const issues = error instanceof RequestFailed ? (error.problem.issues ?? []) : [];
  return (
    <div role="alert" className="error">
      <p>{error.message}</p>
      <ul>
        {issues.map((issue) => (
          <li key={`${issue.path}: ${issue.message}`}>
            <code>{issue.path}</code> {issue.message}
          </li>
        ))}
      </ul>
    </div>
  );
}
