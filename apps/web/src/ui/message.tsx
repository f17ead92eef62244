import type { ReactNode } from 'react';

/** A message about what happened, what is missing, or what to do next. */
export function Message({
  tone = 'plain',
  title,
  children,
}: {
  readonly tone?: 'plain' | 'bad' | 'warn';
  readonly title: string;
  readonly children?: ReactNode;
}) {
  return (
    <div className={`message ${tone}`} role={tone === 'bad' ? 'alert' : 'status'}>
      <p className="message-title">{title}</p>
      {children && <div>{children}</div>}
    </div>
  );
}
