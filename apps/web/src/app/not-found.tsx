import { Link } from '@tanstack/react-router';
import { Message } from '../ui/message.tsx';

export function NotFound() {
  return (
    <main className="page">
      <h1>Not found</h1>
      <Message title="This page does not exist.">
        <p>
          <Link to="/">Show the builds</Link>
        </p>
      </Message>
    </main>
  );
}
