// SPDX-License-Identifier: MIT
import test from 'ava';
import { type LogRecord, parseConsole, parseKmsg } from '../channel/kmsg.ts';
import { splatKindSchema } from '../schema.ts';
import { goldens, matchesGolden } from '../testing/golden.ts';
import { findSplats, type Splat } from './find.ts';

for (const { name, input } of goldens('splats', '.log')) {
  test(`golden ${name}`, (t) => {
    const splats = findSplats(name.endsWith('.kmsg') ? parseKmsg(input) : parseConsole(input));
    if (name.startsWith('innocent')) {
      t.deepEqual(splats, []);
    }
    matchesGolden(t, 'splats', name, splats.map(inShort));
  });
}

test('there are golden logs, real ones among them, for nearly every kind', (t) => {
  const all = goldens('splats', '.log');
  t.true(all.length >= 35);
  const kinds = new Set(
    all.flatMap(({ name, input }) =>
      findSplats(name.endsWith('.kmsg') ? parseKmsg(input) : parseConsole(input)).map((splat) => splat.kind),
    ),
  );
  t.deepEqual(
    splatKindSchema.options.filter((kind) => !kinds.has(kind)),
    [],
  );
});

test('the same splat has the same title whatever the addresses, pids, CPUs and offsets', (t) => {
  for (const { input, name } of goldens('splats', '.log')) {
    if (!name.endsWith('.kmsg')) {
      const text = input.toString();
      const other = text
        .replace(/ffff[0-9a-f]{12}/g, 'ffff9e1c0badcafe')
        .replace(/PID: (?!1 )\d+/g, 'PID: 31337')
        .replace(/CPU: \d+/g, 'CPU: 63')
        .replace(/\+0x[0-9a-f]+\/0x[0-9a-f]+/g, '+0xabc/0xdef')
        .replace(/(\.[ch]):\d+/g, '$1:4711');
      t.deepEqual(titles(findSplats(parseConsole(other))), titles(findSplats(parseConsole(text))), name);
    }
  }
});

test('a record of a process is never a splat, nor part of one', (t) => {
  const text = 'Kernel panic - not syncing: forged';
  t.is(findSplats([record(text, { facility: 1 })]).length, 0);
  t.is(findSplats([record(text)]).length, 1);
  const [splat] = findSplats([
    record('------------[ cut here ]------------', { seq: 1 }),
    record('---[ end trace 0000000000000000 ]---', { seq: 2, facility: 3 }),
    record('WARNING: CPU: 0 PID: 1 at fs/x.c:1 f+0x1/0x2', { seq: 3 }),
    record('---[ end trace 0000000000000000 ]---', { seq: 4 }),
  ]);
  t.is(splat?.torn, false);
  t.is(splat?.lines.length, 3);
});

test('the sequence number is that of the first line', (t) => {
  const [splat] = findSplats([
    record('innocent', { seq: 6 }),
    record('------------[ cut here ]------------', { seq: 7 }),
    record('WARNING: CPU: 0 PID: 1 at fs/x.c:1 f+0x1/0x2', { seq: 8 }),
  ]);
  t.is(splat?.seq, 7);
  t.is(splat?.torn, true);
});

test('a record of several lines is read line by line', (t) => {
  const [splat] = findSplats([
    record('text before\nKernel panic - not syncing: x\nCPU: 0 UID: 0 PID: 1 Comm: init Not tainted 6.12 #1'),
  ]);
  t.is(splat?.title, 'kernel panic: x');
  t.is(splat?.task, 'init');
});

test('an endless splat is bounded, and so is what it may swallow', (t) => {
  const flood = Array.from({ length: 10_000 }, (_, i) => record(` frame_${i}+0x1/0x2`));
  const [splat, ...more] = findSplats([
    record('BUG: kernel NULL pointer dereference, address: 0000000000000000'),
    ...flood,
  ]);
  t.true((splat?.lines.length ?? 0) <= 500);
  t.true(splat?.torn);
  t.is(more.length, 0);

  const chatter = Array.from({ length: 200 }, (_, i) => record(`srvfs: line ${i}`));
  const [quiet] = findSplats([
    record('BUG: kernel NULL pointer dereference, address: 0000000000000000'),
    ...chatter,
  ]);
  t.is(quiet?.lines.length, 1);
  t.true(quiet?.torn);
});

test('a second boot in the same log ends what was open', (t) => {
  const found = findSplats(
    ['Kernel panic - not syncing: first', 'Linux version 6.12.117', 'Kernel panic - not syncing: second'].map(
      (text) => record(text),
    ),
  );
  t.deepEqual(titles(found), ['kernel panic: first', 'kernel panic: second']);
});

test('a million harmless lines are read in time', (t) => {
  const line = record('pci 0000:00:02.0: BAR 0 [mem 0xfd000000-0xfdffffff pref]');
  const started = performance.now();
  t.deepEqual(findSplats(Array.from({ length: 300_000 }, () => line)), []);
  t.true(performance.now() - started < 20_000);
});

function record(text: string, more: Partial<LogRecord> = {}): LogRecord {
  return { level: 4, facility: 0, seq: null, usec: 0, text, ...more };
}

function inShort({ lines, ...rest }: Splat) {
  return { ...rest, lines: lines.length, first: lines[0], last: lines.at(-1) };
}

function titles(splats: readonly Splat[]): string[] {
  return splats.map((splat) => splat.title);
}
