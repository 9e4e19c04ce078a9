// SPDX-License-Identifier: MIT
import test from 'ava';
import { goldens, matchesGolden } from '../../testing/golden.ts';
import { compareDocs, parseKernelDoc } from './kernelDoc.ts';

const outputs = goldens('kernel-doc', '.txt');

for (const { name, input } of outputs)
  test(`kernel-doc of Linux ${name}`, (t) => {
    matchesGolden(t, 'kernel-doc', name, parseKernelDoc(input.toString('utf8')));
  });

for (const { name, input } of outputs)
  test(`warnings that moved are not new, of Linux ${name}`, (t) => {
    const before = input.toString('utf8');
    const moved = before.replace(/fs\/doc\.c:(\d+)/g, (_, line) => `fs/other.c:${Number(line) + 3}`);
    t.is(compareDocs(parseKernelDoc(before), parseKernelDoc(moved)).status, 'pass');
  });

test('a warning that was not there is new, also if others went', (t) => {
  const of = (...symbols: string[]) =>
    symbols.map((symbol, index) => ({
      place: `fs/a.c:${index + 1}`,
      text: `No description found for return value of '${symbol}'`,
    }));
  t.deepEqual(compareDocs(of('a', 'b'), of('b', 'c')), {
    name: 'kernel-doc',
    status: 'warn',
    summary: '1 new warning, 2 before',
    findings: ["fs/a.c:2: No description found for return value of 'c'"],
  });
});
