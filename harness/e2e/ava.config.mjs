// SPDX-License-Identifier: MIT
// Whole kernels: one file after another, since they share the machine's cores.
export default {
  extensions: ['ts'],
  files: ['harness/e2e/**/*.test.ts'],
  concurrency: 1,
  serial: true,
  timeout: '45m',
};
