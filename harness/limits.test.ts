// SPDX-License-Identifier: MIT
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { limits, limitTable, readPatience, scaleLimits } from './limits.ts';

type Row = { what: string; deadline: string };

/** The rows of the table of waits under "Time" of docs/verdicts.md. */
async function rowsOfDocs(): Promise<Row[]> {
  const text = await readFile(join(import.meta.dirname, '..', 'docs', 'verdicts.md'), 'utf8');
  const table = text.split('\n## Time\n')[1]!.split('| Kiln waits for | deadline |')[1]!.split('\n\n')[0]!;
  const cells = table
    .split('\n')
    .slice(2)
    .map((line) => line.split('|').map((cell) => cell.trim()));
  return cells.map(([, what = '', deadline = '']) => ({ what, deadline }));
}

/** A row may speak of several waits, and then has as many deadlines. */
function deadlineOf(what: string, { what: named, deadline }: Row): number {
  const index = named.split(';').findIndex((part) => part.includes(what));
  const text = deadline.split(';')[index] ?? deadline;
  const [, number, unit] = /([\d.]+) (s|min|h)\b/.exec(text) ?? [];
  return Number(number) * { s: 1000, min: 60_000, h: 3600_000 }[unit as 's' | 'min' | 'h'];
}

test('docs/verdicts.md gives each wait the deadline that the code has', async (t) => {
  const rows = await rowsOfDocs();
  t.true(limitTable.length > 10);
  for (const { what, ms } of limitTable) {
    const exact = rows.filter((row) => row.what === what);
    const found = exact.length > 0 ? exact : rows.filter((row) => row.what.includes(what));
    t.is(found.length, 1, `one row of the table speaks of "${what}"`);
    t.is(deadlineOf(what, found[0]!), ms, what);
  }
});

test('every limit of the table is one that the code goes by', async (t) => {
  const harness = import.meta.dirname;
  const files = (await readdir(harness, { recursive: true })).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.startsWith('fixtures/'),
  );
  const code = (await Promise.all(files.map((file) => readFile(join(harness, file), 'utf8')))).join('\n');
  t.deepEqual(
    Object.keys(limits).filter((name) => !new RegExp(`\\blimits\\.${name}\\b`).test(code)),
    [],
  );
});

test('KILN_PATIENCE makes waits longer but those that go by the guest’s boot', (t) => {
  const [usual, patient] = [scaleLimits(1), scaleLimits(readPatience({ KILN_PATIENCE: '10' }))];
  t.is(patient.boot, 10 * usual.boot);
  t.is(patient.kvm, 10 * usual.kvm);
  t.is(patient.test, usual.test);
  t.is(patient.silence, usual.silence);
  t.is(readPatience({}), 1);
});

test('a KILN_PATIENCE that is no number from 1 to 100 is a usage error', (t) => {
  for (const text of ['x', '0', '-1', '1000', 'Infinity'])
    t.throws(() => readPatience({ KILN_PATIENCE: text }), { message: /KILN_PATIENCE=.* from 1 to 100/ });
});
