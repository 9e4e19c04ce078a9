// SPDX-License-Identifier: MIT
// Pure: QEMU's command line for an emulated machine in which KVM works. docs/kvm.md has the reasons.
import { join } from 'node:path';
import * as arch from '../guest/arch/x86_64.ts';

/** The virtio-serial ports of the machine, and the Unix sockets behind them. */
export const portNames = ['out', 'err', 'control'] as const;

export type L1 = {
  /** The directory of a kernel that was built. */
  kernel: string;
  qemuMajor: number;
  /** Of the host's time stamp counter, or null if its rate changes. */
  tscKhz: number | null;
  /** Path of the script that becomes PID 1. */
  init: string;
  /** A directory with what init reads. */
  job: string;
  /** Directories that are writable in the machine, at the same path. Absolute. */
  shares: string[];
};

const cpus = 2;
/** MiB. 90 % of it may go to what the machine writes, which is more than `kiln doctor` wants of a disk. */
const memory = 8192;

/** @param sockets the directory of the ports' sockets */
export function l1Argv(l1: L1, sockets: string): string[] {
  return [
    arch.qemu,
    ...['-name', 'kiln-in-kiln', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-machine', arch.machine, '-accel', 'tcg,thread=multi', '-cpu', arch.kvmCapableCpu(l1.qemuMajor)],
    ...['-smp', String(cpus), '-m', `${memory}M`],
    ...['-kernel', join(l1.kernel, arch.bootFile), '-append', cmdline(l1)],
    ...['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
    ...share('/', rootTag, 'readonly=on,'),
    ...share(l1.job, jobTag, 'readonly=on,'),
    ...l1.shares.flatMap((path, index) => share(path, shareTag(index), '')),
    ...['-device', 'virtio-serial-pci'],
    ...portNames.flatMap((name) => [
      ...['-chardev', `socket,id=${name},path=${doubleCommas(join(sockets, name))},server=off`],
      ...['-device', `virtserialport,chardev=${name},name=${name}`],
    ]),
  ];
}

const rootTag = 'host';
const jobTag = 'job';

/** The name by which init mounts a share. */
export function shareTag(index: number): string {
  return `share${index}`;
}

/** The files keep their owners, as far as QEMU's user may; the root may span several file systems. */
function share(path: string, tag: string, readonly: string): string[] {
  const options = `${readonly}security_model=none,multidevs=remap`;
  return ['-virtfs', `local,path=${doubleCommas(path)},mount_tag=${tag},${options}`];
}

/** What the host changes meanwhile is not seen: `loose` caches the root for good. */
const rootFlags = 'trans=virtio,version=9p2000.L,msize=512000,cache=loose';

function cmdline({ tscKhz, init }: L1): string {
  return [
    `console=${arch.consoleDevice} panic=-1 ${arch.timerArgument} mitigations=off`,
    // Else KVM gives its guests a clock of the slow kind.
    ...(tscKhz === null ? [] : [arch.counterArgument(tscKhz)]),
    'tsc=reliable',
    // Polling would take time from the guests.
    'kvm.halt_poll_ns=0',
    `root=${rootTag} rootfstype=9p rootflags=${rootFlags} ro`,
    `init="${init}"`,
  ].join(' ');
}

/** QEMU's option syntax doubles commas. */
function doubleCommas(value: string): string {
  return value.replaceAll(',', ',,');
}
