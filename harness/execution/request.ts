// SPDX-License-Identifier: MIT
import type { Machine } from '../guest/qemu.ts';
import type { Broken } from '../image/compile.ts';
import type { GuestOrigin } from '../pool/pool.ts';
import type { Isolation } from '../suite/settings.ts';
import type { Collected } from './collect.ts';

/** Paths of a bzImage and an initramfs.cpio: their names are known in the guest. */
export type NextKernel = { kernel: string; initramfs: string };

/** One test, as it is run on each kernel that it goes through. */
export type TestRequest = {
  job: string;
  suite: string;
  /** Its name in the results; its file in the image is `program`. */
  test: string;
  program: string;
  /** The program does not build: the test fails with this, and does not run. */
  broken?: Broken;
  /** Features that the guests' processor lacks: the test is skipped. */
  lacks?: string[];
  /** The suite's directory, absolute. Without it, failed cases get no source lines. */
  suiteDir?: string;
  /** Of the program, without argv[0]. */
  args: string[];
  machine: Machine;
  origin: GuestOrigin;
  /** Seconds on each kernel, of a guest as quick as usual. */
  limit: number;
  /** Seconds that hold however slow the guest is, instead of that. */
  fixedLimit?: number;
  /** Titles of the splats that the test provokes. */
  expectSplats: RegExp[];
  /** Directories to fetch from the guest after the test. */
  collect: readonly Collected[];
  /**
   * If it goes through several kernels: how many, what the guest boots for a generation from 1 on, and for how many
   * of them that is sent; a test that keeps the first one needs nothing after it.
   */
  kexec?: { generations: number; next: (generation: number) => NextKernel; sent: number };
  /** The run's directory, and this guest's directory in it. Both absolute. */
  runDir: string;
  guestDir: string;
  /** A command line that runs this test again. */
  reproduce: string;
  /** Called if the program has called kiln_ready(). */
  onReady?: () => void;
};

/** Tests that run one after another in one guest; or one test, whole or case by case. */
export type Unit = { isolation: Isolation; requests: TestRequest[] };

/** Where the guest has the program. */
export function placeOf({ suite, program }: TestRequest): { path: string; cwd: string } {
  return { path: `/tests/${suite}/${program}`, cwd: `/tests/${suite}` };
}

/** How many kernels a test goes through. */
export function generationsOf({ kexec }: TestRequest): number {
  return kexec?.generations ?? 1;
}
