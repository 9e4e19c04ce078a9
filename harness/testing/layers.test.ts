// SPDX-License-Identifier: MIT
// Data flows one way: a file may import from its own room and from those above it in this list, types included.
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import test from 'ava';
import { paths } from '../paths.ts';

/** Rooms of harness/, each below all that it may import. A room is a folder, or a file of harness/ itself. */
const rooms = [
  'errors.ts',
  'schema.ts',
  'events.ts',
  'limits.ts',
  'paths.ts',
  'project.ts',
  'context.ts',
  'util',
  'sandbox',
  'guest/arch',
  'host',
  'suite',
  'series',
  'tree',
  'kernel',
  'image',
  'guest',
  'channel',
  'ktap',
  'splat',
  'results',
  'report',
  'page',
  'job',
  'pool',
  'execution',
  'run.ts',
  'ci',
  'bench',
  'commands',
  'cli.ts',
  'nested',
  'e2e',
  'testing',
];

/** Packages that one file alone may import, with the reason. */
const keepers: Record<string, [string, string]> = {
  execa: ['util/exec.ts', 'it ends every program that Kiln starts'],
};

type Import = { from: string; to: string };

const harness = join(paths.root, 'harness');

function roomOf(file: string): string {
  // errors.test.ts is in the room of errors.ts.
  const path = file.replace(/\.test\.ts$/, '.ts');
  const room = rooms.filter((one) => path === one || path.startsWith(`${one}/`));
  const longest = room.toSorted((a, b) => b.length - a.length)[0];
  if (longest === undefined) throw new Error(`${file} is in no room: add its folder to the list`);
  return longest;
}

/** Tests stand beside what they test, and may use helpers of tests. */
function mayImport({ from, to }: Import): boolean {
  if (from.endsWith('.test.ts') && roomOf(to) === 'testing') return true;
  return rooms.indexOf(roomOf(to)) <= rooms.indexOf(roomOf(from));
}

function importsOf(file: string, text: string): string[] {
  return [...text.matchAll(/(?:\bfrom|\bimport\(|^import) ?'([^'$]+)'/gm)].map(([, what]) =>
    what!.startsWith('.') ? normalize(join(dirname(file), what!)) : what!,
  );
}

async function allImports(): Promise<Import[]> {
  const files = (await readdir(harness, { recursive: true })).filter(
    (file) => /\.tsx?$/.test(file) && !file.startsWith('fixtures/'),
  );
  const all = await Promise.all(
    files.map(async (from) => {
      const found = importsOf(from, await readFile(join(harness, from), 'utf8'));
      return found.map((to) => ({ from, to }));
    }),
  );
  return all.flat();
}

test('no import goes up', async (t) => {
  const inside = (await allImports()).filter(({ to }) => /\.tsx?$/.test(to) && !to.startsWith('..'));
  t.true(inside.length > 300);
  const upward = inside.filter((one) => !mayImport(one)).map(({ from, to }) => `${from} imports ${to}`);
  t.deepEqual(upward, []);
});

test('an import that goes up is found, of a type too', (t) => {
  const text = "import type { Pool } from '../pool/pool.ts';\nimport { join } from 'node:path';\n";
  const [to] = importsOf('guest/qemu.ts', text);
  t.is(to, 'pool/pool.ts');
  t.false(mayImport({ from: 'guest/qemu.ts', to: to! }));
  t.true(mayImport({ from: 'pool/pool.ts', to: 'guest/qemu.ts' }));
});

test('a package with a keeper is imported by it alone', async (t) => {
  const all = await allImports();
  for (const [name, [keeper, why]] of Object.entries(keepers))
    t.deepEqual(
      all.filter(({ to }) => to === name).map(({ from }) => from),
      all.filter(({ from, to }) => from === keeper && to === name).map(({ from }) => from),
      `only ${keeper} imports ${name}: ${why}`,
    );
});
