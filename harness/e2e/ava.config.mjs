// SPDX-License-Identifier: MIT
// Whole kernels. Two files at a time where a part (parts.ts) names several: most of them wait or start programs for a
// good part of their time, and limits of guests don't count what the host keeps from them.
export default {
  extensions: ['ts'],
  files: ['harness/e2e/**/*.test.ts'],
  concurrency: 2,
  timeout: '60m',
};
