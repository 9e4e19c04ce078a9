// SPDX-License-Identifier: MIT
import test from 'ava';
import { exampleResults } from '../testing/example.ts';
import { exampleCi } from '../testing/exampleCi.ts';
import { formats, reportFiles, reportNames } from './index.ts';

const files = (results: Parameters<typeof reportFiles>[0]) =>
  reportFiles(results, 'runs/x').map(([file]) => file);

test('a run of kiln ci has more reports than another', (t) => {
  t.deepEqual(files(exampleResults()), ['results.ktap', 'junit.xml']);
  t.deepEqual(files(exampleCi()), [
    ...['results.ktap', 'junit.xml', 'report.txt', 'github-summary.md', 'patchwork.json', 'kcidb.json'],
  ]);
});

test('each format renders a run of kiln ci; those that only it has refuse another', (t) => {
  for (const name of reportNames) {
    const format: (typeof formats)[typeof name] & { ci?: true } = formats[name];
    t.true(format.render(exampleCi(), 'runs/x').length > 100, name);
    if (format.ci)
      t.throws(() => format.render(exampleResults(), 'runs/x'), { message: /not one of "kiln ci"/ }, name);
    else t.true(format.render(exampleResults(), 'runs/x').length > 0);
  }
});
