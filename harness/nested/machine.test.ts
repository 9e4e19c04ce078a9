// SPDX-License-Identifier: MIT
import test from 'ava';
import { type L1, l1Argv } from './machine.ts';

const l1: L1 = {
  kernel: '/cache/kernels/key',
  qemuMajor: 7,
  tscKhz: 2_596_000,
  init: '/my kiln/harness/nested/init.sh',
  job: '/tmp/job',
  shares: ['/home/me/out', '/home/me/a,b'],
};

/** The values of an option. */
function values(argv: string[], option: string): string[] {
  return argv.filter((_, index) => argv[index - 1] === option);
}

test('it is emulated, and its processor has no five levels and no XSAVE', (t) => {
  const argv = l1Argv(l1, '/s');
  t.deepEqual(values(argv, '-accel'), ['tcg,thread=multi']);
  const flags = values(argv, '-cpu')[0]!.split(',');
  t.is(flags[0], 'max');
  for (const flag of ['-cx16', '-la57', '-xsave', '-avx']) t.true(flags.includes(flag), flag);
  t.false(values(l1Argv({ ...l1, qemuMajor: 8 }, '/s'), '-cpu')[0]!.includes('cx16'));
});

test('it can write to its shares and to nothing else of the host', (t) => {
  const shares = values(l1Argv(l1, '/s'), '-virtfs');
  t.deepEqual(
    shares.map((share) => /path=(.*),mount_tag=(\w+),(readonly=on)?/.exec(share)!.slice(1)),
    [
      ['/', 'host', 'readonly=on'],
      ['/tmp/job', 'job', 'readonly=on'],
      ['/home/me/out', 'share0', undefined],
      ['/home/me/a,,b', 'share1', undefined],
    ],
  );
});

test('the kernel is told where its root and its first program are, and how fast its counter is', (t) => {
  const [cmdline] = values(l1Argv(l1, '/s'), '-append');
  t.regex(cmdline!, / root=host rootfstype=9p .* ro init="\/my kiln\/harness\/nested\/init\.sh"$/);
  t.regex(cmdline!, / tsc_early_khz=2596000 .*tsc=reliable /);
  t.notRegex(values(l1Argv({ ...l1, tscKhz: null }, '/s'), '-append')[0]!, /tsc_early_khz/);
});
