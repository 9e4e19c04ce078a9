// SPDX-License-Identifier: MIT
// Which end-to-end files run when: each NAME.test.ts beside this file is in exactly one part.

/** The files of a group run side by side, the groups one after another. */
type Group = string[];

/** Each part runs by itself, within an hour; `check` within a quarter of an hour. CONTRIBUTING.md says which to run. */
export const parts: Record<string, Group[]> = {
  /** Every change: the main job first, with the machine to itself; then what a run does of each kind. */
  check: [
    ['main'],
    ['verdicts', 'bad-input', 'endings', 'kexec', 'jobs', 'hostile-builds', 'with', 'shell', 'debuginfo'],
  ],
  /** A kernel and an image that are built for these tests alone. */
  builds: [['complaining-kernel', 'stages']],
  /** A kernel with KASAN, lockdep and DEBUG_VM: all suites on it, then what it says when it misbehaves. */
  debug: [['debug-kernel'], ['kernel-canaries']],
  /** Faults of the host, and guests that hang. The second file waits most of its time. */
  faults: [['host-faults', 'hangs']],
  /** Forks beside boots, what a kernel says after a test's last process, and the same again and again. */
  forks: [['forks'], ['late-canaries'], ['repeat', 'soak']],
};
