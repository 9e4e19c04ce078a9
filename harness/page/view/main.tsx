// SPDX-License-Identifier: MIT
import './page.css';
import { render } from 'preact';
import { App } from './app.tsx';
import { readData } from './data.ts';

const root = document.getElementById('page')!;
readData().then(
  (data) => render(<App data={data} />, root),
  (error: Error) =>
    render(
      <main>
        <h1>This page can't show its data</h1>
        <p>
          The file may be damaged, or the browser too old: it needs DecompressionStream, which Chromium 80,
          Firefox 113 and Safari 16.4 have. The same results are in results.json and results.ktap next to this
          file.
        </p>
        <pre>{String(error)}</pre>
      </main>,
      root,
    ),
);
