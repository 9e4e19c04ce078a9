// SPDX-License-Identifier: MIT
// images/agent/command_line.h, which the agent and the tests' runtime share, compiled for the host.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { paths } from '../paths.ts';

const program = `
#include "command_line.h"
#include <stdlib.h>

int main(int argc, char **argv)
{
	char line[64];
	int size;

	if (argc == 3) {
		const char *value = command_line_value(argv[1], argv[2]);

		printf("%s", value ? value : "(none)");
		return 0;
	}
	size = command_line_next(line, sizeof(line), argv[1], (unsigned int)atoi(argv[2]), atoi(argv[3]));
	printf("%d %s", size, size < 0 ? strerror(-size) : line);
	return 0;
}
`;

let dir: string;
test.before(() => {
  dir = mkdtempSync(join(tmpdir(), 'kiln-command-line-'));
  writeFileSync(join(dir, 'main.c'), program);
  const flags = ['-std=gnu11', '-Wall', '-Wextra', '-Werror', '-I', join(paths.root, 'images/agent')];
  execFileSync('gcc', [...flags, join(dir, 'main.c'), '-o', join(dir, 'main')]);
});
test.after.always(() => rmSync(dir, { recursive: true, force: true }));

const run = (...args: string[]) => execFileSync(join(dir, 'main'), args).toString();

function next(current: string, forPanic = false): string {
  const text = run(current, '2', forPanic ? '1' : '0');
  return text.slice(text.indexOf(' ') + 1);
}

test('the next command line is the current one, with the next generation in front', (t) => {
  t.is(next('console=ttyS0 quiet'), 'kiln.generation=2 console=ttyS0 quiet');
  t.is(next('kiln.generation=1 console=ttyS0'), 'kiln.generation=2 console=ttyS0');
  t.is(next(''), 'kiln.generation=2');
  t.is(next('quiet kiln.generation=1'), 'kiln.generation=2 quiet');
  t.is(next('a kiln.generation=1 b'), 'kiln.generation=2 a b');
});

test('quotes and white space stay as they are', (t) => {
  for (const current of [
    'dyndbg="file x.c +p;  func f +p"',
    'a  b\tc',
    ' a ',
    'x="a b',
    '"y=1 2" z',
    '-- -x',
  ])
    t.is(next(current), `kiln.generation=2 ${current}`);
});

test('words of Kiln in quotes are no words', (t) => {
  const quoted = 'x="a kiln.generation=1 crashkernel=1M b"';
  t.is(next(quoted), `kiln.generation=2 ${quoted}`);
  t.is(next(quoted, true), `kiln.generation=2 ${quoted}`);
  t.is(next('"kiln.generation=1" a'), 'kiln.generation=2 a');
  t.is(run(quoted, 'kiln.generation'), '(none)');
});

test('a crash kernel reserves no memory for another one', (t) => {
  t.is(next('a crashkernel=1M b crashkernel=1M,low', true), 'kiln.generation=2 a b');
  t.is(next('a crashkernel=1M b'), 'kiln.generation=2 a crashkernel=1M b');
});

test('a command line that becomes too long is an error', (t) => {
  const fits = 'x'.repeat(64 - 'kiln.generation=2 '.length - 1);
  t.is(run(fits, '2', '0'), `64 kiln.generation=2 ${fits}`);
  t.is(run(`${fits}x`, '2', '0'), '-7 Argument list too long');
});

test('the value of a word', (t) => {
  t.is(run('a=1 kiln.generation=3 b', 'kiln.generation'), '3 b');
  t.is(run('xkiln.generation=3', 'kiln.generation'), '(none)');
  t.is(run('kiln.generation', 'kiln.generation'), '(none)');
  t.is(run('a="b kiln.mode=x" kiln.mode=shell', 'kiln.mode'), 'shell');
});
