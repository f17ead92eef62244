import './styles/base.css';
import './styles/parts.css';
import './styles/builds.css';
import './styles/build.css';
import './styles/log.css';
import './styles/pool.css';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { z } from 'zod';
import { isPassing } from './api/problem.ts';
import { App } from './app/app.tsx';
import { chooseTheme, chosenTheme } from './app/theme.ts';
import { redeemCode } from './session/redeem-code.ts';

// The policy forbids code made from text.
z.config({ jitless: true });
chooseTheme(chosenTheme());

const client = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (failures, error) => isPassing(error) && failures < 4,
      retryDelay: (failures) => Math.min(8_000, 500 * 2 ** failures),
      staleTime: 5_000,
    },
  },
});

const failure = await redeemCode(client);
const root = document.getElementById('root');
if (!root) throw new Error('the document has no #root');
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <App failure={failure} />
    </QueryClientProvider>
  </StrictMode>,
);
