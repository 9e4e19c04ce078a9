// SPDX-License-Identifier: MIT
// `kiln watch`: what a change affects runs again, what failed first.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { paths } from '../paths.ts';
import type { Child } from '../util/exec.ts';
import { start, untilItPrints } from './kiln.ts';

const pass = 'puts("TAP version 13\\n1..1\\nok 1 all");';
const fail = 'puts("TAP version 13\\n1..1\\nnot ok 1 all");';
const hang = 'puts("waits"); fflush(stdout); for (;;) pause();';

const programOf = (body: string) =>
  `#include <stdio.h>\n#include <unistd.h>\nint main(void) { ${body} return 0; }\n`;

test('a change runs what it affects, starts over in the middle of a run, and failed tests come first', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-watch-'));
  t.teardown(() => rm(dir, { recursive: true }));
  const [one, two, out] = [join(dir, 'one'), join(dir, 'two'), join(dir, 'runs')];
  const write = (path: string, body: string) => writeFile(path, programOf(body));
  for (const suite of [one, two]) await mkdir(suite);
  await write(join(one, 'a.c'), pass);
  await write(join(two, 'b.c'), pass);
  await write(join(two, 'c.c'), pass);
  const child = start(['watch', '--tests', one, '--tests', two, '--jobs', '1', '--out', out]);
  t.teardown(() => child.kill('SIGKILL'));
  const sees = readerOf(child);

  t.regex(await sees(/Ctrl-C ends\./), /no test of 3 fails\. Watching /);

  await write(join(two, 'c.c'), fail);
  const broken = await sees(/Ctrl-C ends\./);
  t.regex(broken, /^changed: \S*two\/c\.c$/m);
  t.regex(broken, /2 of 3 tests: the change does not reach the others/);
  t.regex(broken, /^FAIL +two\/c/m);
  t.notRegex(broken, /one\/a/, 'the other suite does not run');
  t.regex(broken, /1 of 3 tests fails: two\/c\. /);

  await write(join(one, 'a.c'), hang);
  await untilItPrints(out, 'one/a');
  const first = await sees(/^changed: \S*one\/a\.c$[\s\S]*^FAIL +two\/c/m);
  t.notRegex(first, /two\/b/, 'only what failed runs again');

  await write(join(one, 'a.c'), pass);
  await write(join(two, 'c.c'), pass);
  const mended = await sees(/Ctrl-C ends\./);
  t.regex(mended, /^changed: \S*one\/a\.c, \S*two\/c\.c$/m);
  t.notRegex(mended, /summary|timeout/i, 'no verdict on what was cut short');
  t.regex(mended, /no test of 3 fails\. /);

  await writeFile(join(two, 'c.c'), 'int main(void) { return 0 }\n');
  t.regex(await sees(/Ctrl-C ends\./), /two\/c[\s\S]*does not build[\s\S]*1 of 3 tests fails: two\/c\./);
  await rm(join(two, 'c.c'));
  t.regex(await sees(/Ctrl-C ends\./), /no test of 2 fails\. /);

  child.kill('SIGINT');
  const { exitCode } = await child;
  t.is(exitCode, 0);
});

test('an error ends a round, not the watch', async (t) => {
  const child = start(['watch', 'boot', '--tree', join(paths.root, 'docs')]);
  const sees = readerOf(child);
  t.regex(await sees(/Ctrl-C ends\./), /no verdict: exit code 2/);
  child.kill('SIGINT');
  t.is((await child).exitCode, 1);
});

/** Waits for output that matches, after what was returned before. Returns it up to the end of the match. */
function readerOf(child: Child): (pattern: RegExp) => Promise<string> {
  let waiting = '';
  let isOver = false;
  let wake = () => {};
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', (chunk: Buffer) => {
      waiting += chunk.toString();
      wake();
    });
  child.finally(() => {
    isOver = true;
    wake();
  });
  return async (pattern) => {
    for (;;) {
      const found = pattern.exec(waiting);
      if (found) {
        const end = found.index + found[0].length;
        const text = waiting.slice(0, end);
        waiting = waiting.slice(end);
        return text;
      }
      if (isOver) throw new Error(`kiln ended without ${pattern}: ${waiting}`);
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
}
