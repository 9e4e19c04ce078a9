// SPDX-License-Identifier: MIT
import type { Accelerator } from '../guest/accelerator.ts';
import type { Image } from '../image/image.ts';
import type { Kernel, KernelRequest } from '../kernel/kernel.ts';
import type { Base } from '../tree/base.ts';
import type { Tree } from '../tree/tree.ts';
import type { PlannedSuite } from './plan.ts';

/** The outputs of the stages up to the kernel. */
export type BuiltKernel = { base: Base; tree: Tree; kernel: Kernel; request: KernelRequest };

/** The outputs of the stages up to the image. */
export type Built = {
  base: Base;
  tree: Tree;
  kernel: Kernel;
  image: Image;
  accelerator: Accelerator;
  /** What the config's fragments add to the kernel's command line. */
  bootWords: string;
  run: PlannedSuite[];
  next: Next;
};

/** For tests that go from kernel to kernel: bzImages, in turn; and an initramfs each, by `suite/program`. */
export type Next = { kernels: string[]; images: Map<string, string> };
