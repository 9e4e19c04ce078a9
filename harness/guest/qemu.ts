// SPDX-License-Identifier: MIT
// Pure: QEMU's command line for a guest.
import { join } from 'node:path';
import type { Image } from '../image/image.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Settings } from '../suite/settings.ts';
import type { Accelerator } from './accelerator.ts';
import * as arch from './arch/x86_64.ts';

/** The named virtio-serial ports of docs/protocol.md. */
export const portNames = ['control', 'ktap', 'kmsg', 'files'] as const;
export type PortName = (typeof portNames)[number];

export type Machine = {
  accelerator: Accelerator['name'];
  /** QEMU's CPU model. */
  cpu: string;
  /** MiB. */
  memory: number;
  cpus: number;
  kernel: string;
  initrd: string;
  /** The whole kernel command line. */
  cmdline: string;
  /** A program that has run to kiln_ready() in the guests forked from this machine's template. */
  setUp?: SetUp;
};

/** A test program as it is started, and how long it may take to kiln_ready(), in seconds of a guest as quick as usual. */
export type SetUp = { path: string; cwd: string; limit: number };

/** Measured: a kernel with KASAN and lockdep fits, with room for tests. */
const defaults = { memory: 512, cpus: 2 };

/** What all machines of a job share. */
export type Parts = {
  accelerator: Accelerator;
  kernel: Pick<Kernel, 'dir'>;
  image: Pick<Image, 'path'>;
  /** Kernel arguments that the config fragments ask for. */
  bootWords: string;
};

/** The machine that a test asks for. @param append further kernel arguments, before the test's own */
export function machineFor(settings: Settings, parts: Parts, append = ''): Machine {
  const { accelerator, kernel, image, bootWords } = parts;
  return {
    accelerator: accelerator.name,
    cpu: accelerator.cpu,
    memory: settings.memory ?? defaults.memory,
    cpus: settings.cpus ?? defaults.cpus,
    kernel: join(kernel.dir, settings.kernel ?? arch.bootFile),
    initrd: image.path,
    cmdline: [baseCmdline, accelerator.cmdline, bootWords, append, settings.cmdline]
      .filter(Boolean)
      .join(' '),
  };
}

/** With panic=-1 the kernel reboots at once after a panic, and -no-reboot makes QEMU exit then. */
const baseCmdline = `console=${arch.consoleDevice} panic=-1 ${arch.timerArgument}`;

/**
 * How a guest starts. `boot`: boots its kernel. `template`: the same, but its memory is a file, so that it can be
 * frozen. `fork`: continues a frozen template; its memory maps the template's file copy-on-write.
 */
export type Origin = { how: 'boot' } | { how: 'template'; memory: string } | { how: 'fork' };

/** The descriptors through which a fork's QEMU opens its template. By name it could fail: another run may evict it. */
export const forkDescriptors = { state: 3, memory: 4 };

/** QEMU's argv for a guest under test. `sockets` holds a listening Unix socket for each port and for QMP. */
export function guestArgv(machine: Machine, sockets: string, origin: Origin = { how: 'boot' }): string[] {
  const socket = (id: string) => [
    '-chardev',
    `socket,id=${id},path=${doubleCommas(join(sockets, id))},server=off`,
  ];
  return [
    ...common(machine),
    // A fork has kernel and initramfs in its memory. Loading them again would take longer than everything else.
    ...(origin.how === 'fork' ? [] : software(machine)),
    ...memory(machine, origin),
    ...['-device', 'vmgenid,guid=auto'],
    ...['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
    ...[...socket('qmp'), '-mon', 'chardev=qmp,mode=control'],
    ...['-device', `virtio-serial-pci,id=ports,max_ports=${portNames.length + 1}`],
    ...portNames.flatMap((name) => [
      ...socket(name),
      ...['-device', `virtserialport,bus=ports.0,chardev=${name},name=kiln.${name}`],
    ]),
  ];
}

/** QEMU's argv for a guest whose console is the user's terminal. */
export function interactiveArgv(machine: Machine): string[] {
  return [
    ...common(machine),
    ...software(machine),
    '-chardev',
    'stdio,id=console,signal=off,mux=off',
    '-serial',
    'chardev:console',
  ];
}

function common(machine: Machine): string[] {
  return [
    arch.qemu,
    ...['-name', 'kiln', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-machine', arch.machine],
    ...['-accel', machine.accelerator, '-cpu', machine.cpu],
    ...['-smp', String(machine.cpus), '-m', `${machine.memory}M`],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...['-device', arch.panicDevice, '-action', 'panic=none'],
  ];
}

function software({ kernel, initrd, cmdline }: Machine): string[] {
  return ['-kernel', kernel, '-initrd', initrd, '-append', cmdline];
}

function memory(machine: Machine, origin: Origin): string[] {
  if (origin.how === 'boot') return [];
  const path =
    origin.how === 'fork' ? `/proc/self/fd/${forkDescriptors.memory}` : doubleCommas(origin.memory);
  const share = origin.how === 'fork' ? 'off' : 'on';
  const file = `memory-backend-file,id=memory,size=${machine.memory}M,mem-path=${path},share=${share}`;
  return [
    ...['-object', file, '-machine', 'memory-backend=memory'],
    // The template was stopped when it was saved. If that were part of its state, forks would start stopped.
    ...['-global', 'migration.store-global-state=off'],
    ...(origin.how === 'fork' ? ['-incoming', 'defer'] : []),
  ];
}

/** QEMU's option syntax doubles commas. */
function doubleCommas(value: string): string {
  return value.replaceAll(',', ',,');
}
