// SPDX-License-Identifier: MIT
// The parts of the end-to-end tests: each NAME.test.ts beside this file is in exactly one part.

/** The files of a group run concurrently, the groups one after another. */
type Group = string[];

/** A part runs by itself and takes at most an hour, `check` a quarter of an hour. CONTRIBUTING.md says which to run. */
export const parts: Record<string, Group[]> = {
  /** For every change: the main job first, alone on the machine; then tests of each kind of run. */
  check: [
    ['main'],
    [
      'verdicts',
      'bad-input',
      'endings',
      'kexec',
      'jobs',
      'hostile-builds',
      'with',
      'shell',
      'debuginfo',
      'clean',
      'history',
      'watch',
    ],
  ],
  /** Tests that build their own kernel or image. */
  builds: [['complaining-kernel', 'stages']],
  /** Kernels of other versions and by another compiler; a developer's own tree and project. */
  kernels: [['kernels'], ['own-tree']],
  /** A series patch by patch against its base. */
  ci: [['action', 'b4-check'], ['ci'], ['bisect'], ['debian-patches']],
  /** Ten series of which it is known what they break. */
  blame: [['blame']],
  /** report.html in Chromium. */
  page: [['page']],
  /** A kernel with KASAN, lockdep and DEBUG_VM: all suites, then a kernel that misbehaves. */
  debug: [['debug-kernel'], ['kernel-canaries']],
  /** Faults of the host, and hung guests. The second file mostly waits. */
  faults: [['host-faults', 'hangs']],
  /** Forks compared with boots, splats after the last process of a test, and repeated tests. */
  forks: [['forks'], ['late-canaries'], ['repeat', 'soak']],
  /** KVM on an emulated machine, compared with TCG here. It takes both processors. */
  kvm: [['kiln-in-kiln']],
};
