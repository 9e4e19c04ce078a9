// SPDX-License-Identifier: MIT
import test from 'ava';
import type { FileWish } from '../kernel/touchedConfig.ts';
import { touchedSuites } from './touchedSuites.ts';

function planned(name: string, config: string, dir = `/suites/${name}`) {
  const suite = { name, dir, programs: [], tests: [], helpers: [], config, makefile: '', scripts: [] };
  return { suite, tests: [], required: false, configOnly: false };
}

const wish = (path: string, condition: string | null): FileWish => ({
  ...{ path, condition, isCode: condition !== null, source: path, options: [], tristate: null },
  ...{ needsCompileTest: false, reason: null },
});

const wishes = [
  wish('fs/eventfd.c', 'EVENTFD'),
  wish('drivers/net/e1000.c', 'NET && (E1000 || E1000E) && !UML'),
  wish('fs/open.c', 'y'),
  wish('Documentation/x.rst', null),
];
const suites = [
  planned('events', 'CONFIG_EVENTFD=y\n'),
  planned('net', 'CONFIG_E1000=m\n# CONFIG_EVENTFD is not set\n'),
  planned('uml', 'CONFIG_UML=y\n'),
  planned('plain', ''),
  planned('timers', '', '/linux/tools/testing/selftests/timers'),
];
const names = (...files: string[]) => [...touchedSuites(suites, files, wishes)];

test('a suite is touched if its config names an option that builds a file of the patch', (t) => {
  t.deepEqual(names('fs/eventfd.c'), ['events']);
  t.deepEqual(names('drivers/net/e1000.c', 'Documentation/x.rst'), ['net']);
  t.deepEqual(names('drivers/net/e1000.c', 'fs/eventfd.c'), ['events', 'net']);
});

test('a suite of the tree is touched if its directory is', (t) => {
  t.deepEqual(names('tools/testing/selftests/timers/a.c'), ['timers']);
  t.deepEqual(names('tools/testing/selftests/timers2/a.c'), []);
});

test('code that is always built, documentation and files of other patches touch none', (t) => {
  t.deepEqual(names('fs/open.c', 'Documentation/x.rst', 'mm/other.c'), []);
  t.deepEqual(names(), []);
});
