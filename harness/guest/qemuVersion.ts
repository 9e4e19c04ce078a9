// SPDX-License-Identifier: MIT
import { exec } from '../util/exec.ts';
import * as arch from './arch/x86_64.ts';

/** The first line of `qemu-system-… --version`. */
export async function qemuVersion(signal?: AbortSignal): Promise<string> {
  return (await exec(arch.qemu, ['--version'], { signal })).stdout.split('\n')[0] ?? '';
}
