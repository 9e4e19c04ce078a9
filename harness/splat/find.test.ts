// SPDX-License-Identifier: MIT
import test from 'ava';
import { type LogRecord, parseConsole, parseKmsg } from '../channel/kmsg.ts';
import { splatKindSchema } from '../schema.ts';
import { goldens, matchesGolden } from '../testing/golden.ts';
import { processorTime } from '../testing/processorTime.ts';
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

/** What golden logs come to: the kind and title of each splat, whether it is torn, and whether it is a notice. */
const outcomes: Record<string, string[]> = {
  'hard-lockup-7.2': ['hard-lockup: hard lockup in srvfs_spin'],
  'hard-lockup-callers.kmsg': ['hard-lockup: hard lockup in srvfs_spin'],
  'rcu-stall-callers.kmsg': ['rcu-stall: INFO: rcu stall in srvfs_spin'],
  'rcu-stall-suppressed': ['rcu-stall: INFO: rcu stall'],
  'torn-hung-task': ['hung-task: INFO: task hung in srvfs_wait (torn)'],
  'hung-task-callers.kmsg': ['hung-task: INFO: task hung in srvfs_wait'],
  'hung-task-owner.kmsg': ['hung-task: INFO: task hung in srvfs_open'],
  'torn-bad-page.kmsg': ['bad-page: BUG: Bad page state in srvfs_free (torn)'],
  'bad-page-map-7.2': ['bad-page: BUG: Bad page map in srvfs_map', 'bad-page: BUG: Bad page map'],
  'torn-lockdep': ['lockdep: possible deadlock in srvfs_twice (torn)'],
  'torn-gpf': ['gpf: general protection fault in srvfs_read (torn)'],
  'torn-two-warnings': [
    'warning: WARNING in srvfs_a at fs/srvfs/a.c (torn)',
    'warning: WARNING in srvfs_b at fs/srvfs/b.c (torn)',
  ],
  'torn-cut-here-twice': [
    'warning: WARNING in srvfs_a at fs/srvfs/a.c',
    'other: cut here: the report is missing (torn)',
  ],
  'netdev-leaked.kmsg': ['other: unregister_netdevice: waiting for lo to become free'],
  'irq-nobody-cared.kmsg': ['other: irq: nobody cared'],
  'notice-allocation-failure.kmsg': ['other: page allocation failure in srvfs_grow (notice)'],
  'notice-msr.kmsg': ['other: unchecked MSR access error: WRMSR to 0x1b0 in srvfs_set_msr (notice)'],
  'notice-levels.kmsg': [
    'other: srvfs: the index is damaged, inode N (notice)',
    'other: Uhhuh. NMI received for unknown reason N on CPU N. (notice)',
  ],
  'alert-before-oops.kmsg': ['oops: BUG: unable to handle page fault in srvfs_jump'],
  odebug: ['warning: ODEBUG: free active timer_list in srvfs_close'],
  'odebug-7.2': ['warning: ODEBUG: free active timer_list in srvfs_close'],
  'refcount-7.2': ['refcount: refcount_t: underflow; use-after-free in srvfs_put'],
  'warning-no-symbol': ['warning: WARNING in vfs_write', 'warning: WARNING in srvfs_check'],
  'oom-invoked.kmsg': ['oom: Out of memory: eater invoked oom-killer (torn)'],
  'oom-victim-allocates.kmsg': ['oom: Out of memory: Killed process out_of_memory'],
  'oom-no-killable.kmsg': [
    'oom: Out of memory and no killable processes',
    'panic: kernel panic: System is deadlocked on memory',
  ],
  'oom-no-killable-alone': ['oom: Out of memory and no killable processes'],
  'bug-no-file': ['bug: kernel BUG in srvfs_check'],
  'early-exception': ['oops: early exception 0x0e in srvfs_early'],
  'oops-other-names': ['oops: Bad pagetable in srvfs_copy', 'oops: Split lock detected in srvfs_count'],
  'ubsan-trap': ['bug: UBSAN: array index out of bounds in srvfs_slot'],
  usercopy: ['bug: kernel BUG in srvfs_copy at mm/usercopy.c'],
  'slub-7.2': ['other: BUG kmalloc-512: Right Redzone overwritten'],
  'slub-large-object': ['other: BUG kmalloc-512: Poison overwritten'],
  'warning-text-bug': ['warning: WARNING in umount_check at fs/dcache.c'],
  'warning-text-bug-7.2': ['warning: WARNING in umount_check at fs/dcache.c'],
  pagealloc: ['bad-page: pagealloc: memory corruption in srvfs_grow'],
  'csd-lock': ['other: csd: non-responsive CSD lock in srvfs_flush'],
  'notice-stacks': [
    'other: sysfs: cannot create duplicate filename in srvfs_init (notice)',
    'other: Unexpected gfp in srvfs_grow (notice)',
    'other: schedule_timeout: wrong timeout value in srvfs_wait (notice)',
    'other: percpu: allocation failed (notice)',
    'other: hw csum failure in srvfs_receive (notice)',
  ],
  'cfi-failure': ['bug: CFI failure in srvfs_call'],
};

for (const { name, input } of goldens('splats', '.log').filter((one) => one.name in outcomes)) {
  test(`splats of ${name}`, (t) => {
    const splats = findSplats(name.endsWith('.kmsg') ? parseKmsg(input) : parseConsole(input));
    t.deepEqual(
      splats.map(
        ({ kind, title, torn, notice }) =>
          `${kind}: ${title}${torn ? ' (torn)' : ''}${notice ? ' (notice)' : ''}`,
      ),
      outcomes[name],
    );
  });
}

test('two CPUs that print at once: each report has the task of its own CPU', (t) => {
  const { input } = goldens('splats', '.log').find(({ name }) => name === 'torn-two-warnings')!;
  t.deepEqual(
    findSplats(parseConsole(input)).map(({ task }) => task),
    [null, 'second'],
  );
});

test('the stack of a report is whole although others print in its middle', (t) => {
  const { input } = goldens('splats', '.log').find(({ name }) => name === 'torn-hung-task')!;
  const [splat] = findSplats(parseConsole(input));
  t.is(splat?.lines.at(-1), ' </TASK>');
  t.false(splat?.lines.some((line) => line.includes('eth0')));
});

test('another CPU that prints anywhere in a report changes no title', (t) => {
  const others = ['eth0: link becomes ready', '  with arguments:', 'CPU1: all is well'];
  for (const { input, name } of goldens('splats', '.log')) {
    const records = name.endsWith('.kmsg') ? parseKmsg(input) : parseConsole(input);
    if (records.length > 120 || /callers|notice|alert/.test(name)) continue;
    const alone = records.map(({ caller: _, ...rest }): LogRecord => ({ ...rest, seq: null }));
    const expected = titles(findSplats(alone));
    for (let at = 1; at < alone.length; at++) {
      const other = record(others[at % others.length]!, { level: 6 });
      t.deepEqual(titles(findSplats(alone.toSpliced(at, 0, other))), expected, `${name}, line ${at}`);
    }
  }
});

test('two callers that print at once, line by line: the titles are those of each alone', (t) => {
  const logs = goldens('splats', '.log').map(({ name, input }) => {
    const records = name.endsWith('.kmsg') ? parseKmsg(input) : parseConsole(input);
    return records.map((one): LogRecord => ({ ...one, seq: null, caller: '' }));
  });
  for (const [index, first] of logs.entries()) {
    const second = logs[(index + 1) % logs.length]!;
    if (first.length > 120 || second.length > 120) continue;
    const longest = Math.max(first.length, second.length);
    const both = Array.from({ length: longest }, (_, line) => [
      ...first.slice(line, line + 1).map((one): LogRecord => ({ ...one, caller: 'T1' })),
      ...second.slice(line, line + 1).map((one): LogRecord => ({ ...one, caller: 'T2' })),
    ]).flat();
    const expected = [...titles(findSplats(first)), ...titles(findSplats(second))];
    t.deepEqual(titles(findSplats(both)).sort(), expected.sort(), expected.join('; '));
  }
});

test('a report of one line in the middle of another is apart from it', (t) => {
  const { input } = goldens('splats', '.log').find(({ name }) => name === 'hard-lockup')!;
  const records = parseConsole(input).slice(0, -2);
  const other = record('BUG: Bad rss-counter state mm:00000000deadbeef type:MM_FILEPAGES val:1');
  const found = findSplats(records.toSpliced(12, 0, other));
  t.deepEqual(titles(found), [
    'hard lockup in srvfs_lock_all',
    'BUG: Bad rss-counter state type:MM_FILEPAGES',
  ]);
  t.deepEqual(
    found.map(({ torn }) => torn),
    [true, false],
  );
});

test('few notices are stored, each once, so that they displace no splat', (t) => {
  const alerts = Array.from({ length: 500 }, (_, i) => [
    record(`srvfs: inode ${i % 26} is lost ${'x'.repeat(i % 30)}`, { level: 1 }),
    record('srvfs: all is well', { level: 6 }),
  ]).flat();
  const found = findSplats([...alerts, record('Kernel panic - not syncing: x')]);
  t.is(found.filter(({ notice }) => notice).length, 20);
  t.is(found.at(-1)?.kind, 'panic');
});

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

test('a second boot ends what other callers left open', (t) => {
  const found = findSplats([
    record('BUG: kernel NULL pointer dereference, address: 0000000000000000', { caller: 'T77' }),
    record('Linux version 6.12.117', { caller: 'T0' }),
    record(' srvfs_a+0x1/0x2', { caller: 'T77' }),
  ]);
  t.deepEqual(
    found.map(({ lines }) => lines.length),
    [1],
  );
});

test('a million harmless lines are read in time', (t) => {
  const line = record('pci 0000:00:02.0: BAR 0 [mem 0xfd000000-0xfdffffff pref]');
  const started = processorTime();
  t.deepEqual(findSplats(Array.from({ length: 300_000 }, () => line)), []);
  t.true(processorTime() - started < 20_000);
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
