// SPDX-License-Identifier: MIT
import test from 'ava';
import { guestArgv, interactiveArgv, type Machine, machineFor, portNames } from './qemu.ts';

const accelerator = { name: 'tcg', cpu: 'max', cmdline: 'tsc_early_khz=1000', reason: '' } as const;
const parts = { accelerator, kernel: { dir: '/k' }, image: { path: '/i/initrd' }, bootWords: '' } as const;
const machine = machineFor({}, parts);

test('a suite that asks for nothing gets the defaults', (t) => {
  t.deepEqual(machine, {
    kernel: '/k/vmlinux',
    initrd: '/i/initrd',
    accelerator: 'tcg',
    cpu: 'max',
    memory: 512,
    cpus: 2,
    cmdline: machine.cmdline,
  });
  t.regex(machine.cmdline, /\bconsole=ttyS0\b/);
  t.regex(machine.cmdline, /\bpanic=-1\b/);
  t.regex(machine.cmdline, / tsc_early_khz=1000$/);
});

test('a suite gets what it asks for; its words come last on the command line', (t) => {
  const asked = machineFor({ memory: 2048, cpus: 1, cmdline: 'quiet a=b' }, parts, 'kexec=1');
  t.deepEqual([asked.memory, asked.cpus], [2048, 1]);
  t.is(asked.cmdline, `${machine.cmdline} kexec=1 quiet a=b`);
});

test('what the config wants of the command line comes before what the test wants', (t) => {
  const { cmdline } = machineFor({ cmdline: 'a=b' }, { ...parts, bootWords: 'no5lvl' });
  t.is(cmdline, `${machine.cmdline} no5lvl a=b`);
});

test('the kernel file that is booted can be chosen', (t) => {
  t.is(machineFor({ kernel: 'bzImage' }, parts).kernel, '/k/bzImage');
});

test('the guest is what was asked for', (t) => {
  const argv = guestArgv({ ...machine, memory: 768, cpus: 3 }, '/run/x');
  t.is(argv[0], 'qemu-system-x86_64');
  t.is(after(argv, '-m'), '768M');
  t.is(after(argv, '-smp'), '3');
  t.is(after(argv, '-kernel'), '/k/vmlinux');
  t.is(after(argv, '-initrd'), '/i/initrd');
  t.is(after(argv, '-append'), machine.cmdline);
  t.is(after(argv, '-accel'), 'tcg');
  t.is(after(argv, '-cpu'), 'max');
  const kvm = guestArgv({ ...machine, accelerator: 'kvm', cpu: 'host' }, '/run/x');
  t.deepEqual([after(kvm, '-accel'), after(kvm, '-cpu')], ['kvm', 'host']);
});

test('the guest has no network, no disk, nothing of the user’s configuration, and is locked in', (t) => {
  for (const argv of [guestArgv(machine, '/run/x'), interactiveArgv(machine)]) {
    for (const word of ['-nodefaults', '-no-user-config', '-no-reboot']) t.true(argv.includes(word), word);
    t.regex(after(argv, '-sandbox') ?? '', /^on,.*spawn=deny/);
    t.deepEqual(
      argv.filter((word) => /^-(netdev|nic|net|drive|blockdev|hd[a-d]|virtfs|fsdev)$/.test(word)),
      [],
    );
  }
});

test('every port of the protocol has its socket and its name in the guest', (t) => {
  const argv = guestArgv(machine, '/run/x');
  for (const name of portNames) {
    t.true(argv.includes(`socket,id=${name},path=/run/x/${name},server=off`), name);
    t.true(argv.includes(`virtserialport,bus=ports.0,chardev=${name},name=kiln.${name}`), name);
  }
  t.true(argv.includes('socket,id=qmp,path=/run/x/qmp,server=off'));
  t.is(after(argv, '-mon'), 'chardev=qmp,mode=control');
  t.is(new Set(portNames).size, portNames.length);
});

test('commas in a path are doubled where QEMU reads options, and only there', (t) => {
  const odd: Machine = { ...machine, kernel: '/k,1/vmlinux', cmdline: 'a=1,2' };
  const argv = guestArgv(odd, '/run,dir');
  t.true(argv.includes('socket,id=ktap,path=/run,,dir/ktap,server=off'));
  t.is(after(argv, '-kernel'), '/k,1/vmlinux');
  t.is(after(argv, '-append'), 'a=1,2');
});

test('a template shares its memory with a file, a fork has a private copy of it and no kernel to load', (t) => {
  const template = guestArgv(machine, '/run/x', { how: 'template', memory: '/t,1/memory' });
  const fork = guestArgv(machine, '/run/x', { how: 'fork' });
  t.regex(
    after(template, '-object') ?? '',
    /^memory-backend-file,.*size=512M,mem-path=\/t,,1\/memory,share=on$/,
  );
  t.regex(after(fork, '-object') ?? '', /,mem-path=\/proc\/self\/fd\/4,share=off$/);
  t.is(after(template, '-kernel'), '/k/vmlinux');
  t.true(['-kernel', '-initrd', '-append'].every((option) => !fork.includes(option)));
  t.is(after(fork, '-incoming'), 'defer');
  t.false(template.includes('-incoming'));
});

test('a template and its forks have the same devices, in the same order', (t) => {
  const devices = (argv: string[]) => argv.filter((_, index) => argv[index - 1] === '-device');
  const template = guestArgv(machine, '/run/x', { how: 'template', memory: '/m' });
  t.deepEqual(devices(template), devices(guestArgv(machine, '/run/x', { how: 'fork' })));
  t.true(devices(template).includes('vmgenid,guid=auto'));
});

test('the same machine has the same command line', (t) => {
  t.deepEqual(guestArgv(machine, '/run/x'), guestArgv({ ...machine }, '/run/x'));
});

function after(argv: string[], option: string): string | undefined {
  return argv[argv.indexOf(option) + 1];
}
