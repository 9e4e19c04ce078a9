// SPDX-License-Identifier: MIT
// Forks of a frozen guest behave like booted guests, and differ from each other.
import { execFileSync } from 'node:child_process';
import { glob, open, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import type { Results } from '../schema.ts';
import { canaries, canaryDirs, fixture } from './canaries.ts';
import { differences } from './compare.ts';
import { cacheWithOwnTemplates, find, kilnTest, ownSuite, verdicts, withTests } from './kiln.ts';
import { mountSmall } from './toy.ts';

/** A test without a guest is skipped here: its verdict differs. */
function origins({ tests }: Results): string[] {
  return [...new Set(tests.flatMap(({ guest }) => guest?.origin ?? []))];
}

test.serial('forks and booted guests give the same verdicts, for suites and canaries', async (t) => {
  const both = async (wanted: string[]) => {
    const args = [...wanted, ...withTests(ownSuite('boot'), ownSuite('srvfs'), ...canaryDirs)];
    const forked = await kilnTest(args, ({ results }) => results);
    const booted = await kilnTest([...args, '--isolate', 'boot'], ({ results }) => results);
    t.deepEqual(origins(forked), ['fork']);
    t.deepEqual(origins(booted), ['boot']);
    return { forked, differing: differences(forked, booted) };
  };
  const { forked, differing } = await both(['boot', 'srvfs', ...canaries]);
  t.true(forked.tests.length > 30);
  if (differing.size === 0) return;
  // Of nearly a hundred guests, one may differ by chance: that is only logged. A difference that repeats is a failure.
  t.log([...differing.values()].join('\n\n'));
  const again = await both([...differing.keys()]);
  t.is([...again.differing.values()].join('\n\n'), '');
});

test.serial('two forks have different random numbers and boot IDs, and the host’s time', async (t) => {
  await kilnTest(['identity', ...withTests(fixture('identity'))], async ({ results, dir }) => {
    const told = await Promise.all(
      ['one', 'two'].map(async (name) => {
        const { guest } = find(results, `identity/${name}`);
        t.is(guest!.origin, 'fork');
        const output = await readFile(join(dir, guest!.output), 'utf8');
        const field = (key: string) => new RegExp(`^# ${key} (.*)$`, 'm').exec(output)![1]!;
        return { time: Number(field('time')), boot: field('boot_id'), random: field('random') };
      }),
    );
    t.not(told[0]!.random, told[1]!.random);
    t.not(told[0]!.boot, told[1]!.boot);
    for (const { time } of told) t.true(Math.abs(time - Date.now() / 1000) < 60, String(time));
    const starts = results.tests.map(({ guest }) => guest!.start_ms!);
    t.true(starts.every((ms) => ms > 0));
  });
});

test.serial('isolation=suite: tests share a guest, and a new guest replaces a lost one', async (t) => {
  const args = ['shared', ...withTests(fixture('shared'))];
  const alone = await kilnTest(args, ({ results }) => verdicts(results));
  t.deepEqual(alone, {
    'shared/a_marks': 'pass',
    'shared/b_looks': 'skip',
    'shared/c_panics': 'crash',
    'shared/d_looks': 'skip',
  });
  const together = await kilnTest([...args, '--isolate', 'suite'], ({ results }) => results);
  t.deepEqual(verdicts(together), { ...alone, 'shared/b_looks': 'pass' });
  t.is(find(together, 'shared/b_looks').guest!.start_ms, 0);
  t.true(find(together, 'shared/d_looks').guest!.start_ms! > 0);
});

test.serial('isolation=case: each case has its own guest, and a panic ends only that one', async (t) => {
  const args = ['by_case', ...withTests(fixture('by_case')), '--isolate', 'case'];
  await kilnTest(args, ({ results }) => {
    const { verdict, cases, detail } = find(results, 'by_case/cases');
    t.is(verdict, 'crash');
    t.regex(detail, /^1 of 6 cases: the kernel died during the test/);
    t.deepEqual(
      cases.map(({ name, verdict: one }) => `${one} ${name}`),
      [
        'pass global.is_first',
        'fail global.panics',
        'pass room.upper.is_first',
        'pass room.upper.has_no_ghost',
        'pass room.lower.is_first',
        'pass room.lower.has_no_ghost',
      ],
    );
    const plain = find(results, 'by_case/plain');
    t.is(plain.verdict, 'pass');
    t.regex(plain.problems.join(), /lists no cases/);
  });
});

test.serial('cases go on from kiln_ready(): set up once, and none sees another', async (t) => {
  const args = ['set_up', ...withTests(fixture('set_up')), '--isolate', 'case'];
  await kilnTest(args, async ({ results, dir }) => {
    const { verdict, detail, cases } = find(results, 'set_up/cases');
    t.is(verdict, 'crash');
    t.regex(detail, /^2 of 8 cases: the kernel died during the test/);
    t.deepEqual(
      cases.map(({ name, verdict: one }) => `${one} ${name.replace('global.', '')}`),
      [
        'pass is_first',
        'pass is_first_too',
        'pass has_what_was_set_up',
        'pass changes_memory',
        'pass sees_no_change',
        'fail fails',
        'fail panics',
        'pass knows_the_time',
      ],
    );
    // The time of the set-up is in the output of each case. The listing had one of its own.
    const times = new Map<string, number>();
    for await (const log of glob(join(dir, 'guests/*/set_up/cases/*/output.log'))) {
      const [time = ''] = /^# set up at .*$/m.exec(await readFile(log, 'utf8')) ?? [];
      times.set(time, (times.get(time) ?? 0) + 1);
    }
    t.deepEqual([...times.values()].toSorted(), [1, 8]);
    for (const [name, why] of [
      ['child', /kiln_ready\(\) is for the test's own process, not for a child of it/],
      ['twice', /kiln_ready\(\) was called for a second time/],
      ['threads', /kiln_ready\(\) needs a program with one thread; this one has 2/],
      ['fails', /exit code 3: nothing was set up/],
    ] as const)
      t.regex(find(results, `set_up/${name}`).detail, why);
    const [problem] = find(results, 'set_up/fails').problems.slice(-1);
    t.is(
      problem,
      'the program did not come to kiln_ready(): it ended with exit code 3, so all of it ran in one guest',
    );
  });
});

test.serial('without isolation=case, kiln_ready() returns at once', async (t) => {
  const args = ['set_up/cases', ...withTests(fixture('set_up')), '--isolate', 'boot'];
  await kilnTest(args, ({ results }) => {
    const { cases } = find(results, 'set_up/cases');
    t.is(cases[0]?.verdict, 'pass');
    t.is(cases[1]?.verdict, 'fail');
  });
});

test.serial('a template that can’t be restored is made again, and no test fails', async (t) => {
  await using cache = await cacheWithOwnTemplates();
  const run = () =>
    kilnTest(
      ['boot'],
      ({ results, stdout }) => {
        t.is(results.exit_code, 0, stdout);
        t.deepEqual(origins(results), ['fork']);
        t.notRegex(stdout, /booted, not forked/);
      },
      { env: { XDG_CACHE_HOME: cache.home } },
    );
  await run();
  const [name] = await readdir(cache.templates);
  const state = join(cache.templates, name!, 'state');
  const before = await stat(state);
  await using file = await open(state, 'r+');
  await file.truncate(before.size / 2);
  await run();
  t.is((await stat(state)).size, before.size);
});

test.serial('if the guest to be frozen is killed, another one is frozen', async (t) => {
  await using cache = await cacheWithOwnTemplates();
  const killing = (async () => {
    for (let tries = 0; tries < 1200; tries++) {
      const line = processes().find((text) => text.includes(cache.templates) && text.includes('share=on'));
      if (line) return process.kill(Number.parseInt(line, 10), 'SIGKILL');
      await setTimeout(50);
    }
    return false;
  })();
  await kilnTest(
    ['boot'],
    ({ results, stdout }) => {
      t.is(results.exit_code, 0, stdout);
      t.deepEqual(origins(results), ['fork']);
    },
    { env: { XDG_CACHE_HOME: cache.home } },
  );
  t.true(await killing);
});

/** `pid args` of every QEMU. */
function processes(): string[] {
  const all = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).split('\n');
  return all.filter((line) => /^ *\d+ qemu-system/.test(line));
}

test.serial('a guest with a wrong clock is not frozen', async (t) => {
  await kilnTest(['wrong_clock', ...withTests(fixture('wrong_clock'))], ({ results, stdout }) => {
    t.is(find(results, 'wrong_clock/wrong_clock').guest!.origin, 'boot');
    t.regex(stdout, /booted, not forked: the guest's clock runs at 0\.\d+ times the host's/);
  });
});

test.serial('if no template can be made, guests are booted, and a note says why', async (t) => {
  await using cache = await cacheWithOwnTemplates();
  await writeFile(cache.templates, 'in the way');
  await kilnTest(
    ['boot'],
    ({ results, stdout }) => {
      t.is(results.exit_code, 0, stdout);
      t.deepEqual(origins(results), ['boot']);
      t.regex(stdout, /guests are booted, not forked: .*templates/);
      t.regex(results.jobs[0]!.notes!.join(), /guests are booted, not forked/);
    },
    { env: { XDG_CACHE_HOME: cache.home } },
  );
});

test.serial('if the disk has no space for the memory of forks, guests are booted', async (t) => {
  const cache = await cacheWithOwnTemplates();
  t.teardown(() => cache[Symbol.asyncDispose]());
  // Enough for the memory that a guest of 512 MiB touches during boot, but not for all of it.
  if (!(await mountSmall(t, cache.templates, '260m'))) return;
  const names = ['out_of_memory@expected', 'pass'].map((name) => `canaries/${name}`);
  await kilnTest(
    [...names, ...withTests(fixture('canaries'))],
    ({ exitCode, results, stdout }) => {
      t.is(exitCode, 0, stdout);
      const hog = find(results, names[0]!);
      t.is(hog.guest!.origin, 'boot');
      t.regex(hog.problems.join(), /run once more, .* at first QEMU was killed by SIGBUS during the test/);
      t.is(stdout.match(/^warning: guests are booted, not forked: the file system .* full$/gm)?.length, 1);
    },
    { env: { XDG_CACHE_HOME: cache.home } },
  );
});
