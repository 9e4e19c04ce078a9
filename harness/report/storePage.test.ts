// SPDX-License-Identifier: MIT
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { exampleResults } from '../testing/example.ts';
import { scratchDirectory } from '../util/scratch.ts';
import { storePage } from './storePage.ts';

async function notesOf(dir: string, bundle: string): Promise<string[]> {
  const notes: string[] = [];
  await storePage(exampleResults(), dir, (text) => void notes.push(text), bundle);
  return notes;
}

test('a run without the program of the page is told what to do, and does not fail', async (t) => {
  const [note, ...others] = await notesOf('/nowhere', '/nowhere/page.json');
  t.regex(note!, /^report\.html is not written: its program is not built; type: make -C .* setup$/);
  t.deepEqual(others, []);
});

test('a page that can not be written is a note', async (t) => {
  await using scratch = await scratchDirectory(tmpdir());
  const bundle = join(scratch.path, 'page.json');
  await writeFile(bundle, JSON.stringify({ script: '', style: '', inputs: {} }));
  t.regex((await notesOf(join(bundle, 'dir'), bundle))[0]!, /^there is no report\.html: /);
  t.deepEqual(await notesOf(scratch.path, bundle), []);
  t.true((await readFile(join(scratch.path, 'report.html'), 'utf8')).startsWith('<!doctype html>'));
});
