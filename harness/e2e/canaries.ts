// SPDX-License-Identifier: MIT
// Tests that misbehave on purpose, and the exact verdict of each.
import { join } from 'node:path';
import { paths } from '../paths.ts';

/** Their suites; `limits` has those that wait for their limit. */
export const canaries = ['canaries', 'limits'];
export const canaryDirs = canaries.map((name) => join(paths.root, 'harness', 'fixtures', name));

export const canaryVerdicts = {
  'canaries/artifacts': 'pass',
  'canaries/bad_exit': 'fail',
  'canaries/fail': 'fail',
  'canaries/flood': 'pass',
  'canaries/forged_farewell': 'pass',
  'canaries/forged_log': 'pass',
  'canaries/forked_buffer': 'pass',
  'canaries/garbage': 'pass',
  'canaries/kill_everything': 'pass',
  'canaries/late_console': 'pass',
  'canaries/long_line': 'pass',
  'canaries/no_results': 'pass',
  'canaries/out_of_memory': 'fail',
  'canaries/outlived': 'pass',
  'canaries/panic': 'crash',
  'canaries/pass': 'pass',
  'canaries/power_off': 'crash',
  'canaries/reboot': 'crash',
  'canaries/segfault': 'fail',
  'canaries/skip': 'skip',
  'canaries/wrong_plan': 'fail',
  'canaries/xfail': 'xfail',
  'limits/silent': 'timeout',
} as const;
