// SPDX-License-Identifier: MIT
import { exec } from '../util/exec.ts';
import * as arch from './arch/x86_64.ts';

/** The first line of `qemu-system-… --version`. */
export async function qemuVersion(signal?: AbortSignal): Promise<string> {
  return (await exec(arch.qemu, ['--version'], { signal })).stdout.split('\n')[0] ?? '';
}

/** 7 of QEMU 7.2; 0 if the version can't be read. */
export async function qemuMajor(signal?: AbortSignal): Promise<number> {
  return Number(/version (\d+)\./.exec(await qemuVersion(signal))?.[1] ?? 0);
}
