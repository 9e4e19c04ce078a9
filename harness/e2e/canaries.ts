// SPDX-License-Identifier: MIT
// Tests that misbehave on purpose, and the exact verdict of each.
import { join } from 'node:path';
import { paths } from '../paths.ts';

export const canaries = join(paths.root, 'harness', 'fixtures', 'canaries');

export const canaryVerdicts = {
  'canaries/artifacts': 'pass',
  'canaries/bad_exit': 'fail',
  'canaries/fail': 'fail',
  'canaries/flood': 'pass',
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
  'canaries/silent': 'timeout',
  'canaries/skip': 'skip',
  'canaries/wrong_plan': 'fail',
  'canaries/xfail': 'xfail',
} as const;
