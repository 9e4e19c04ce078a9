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
  'canaries/clock': 'pass',
  'canaries/close_output': 'fail',
  'canaries/confuse_agent': 'crash',
  'canaries/fail': 'fail',
  'canaries/fill_tmpfs': 'pass',
  'canaries/flood': 'pass',
  'canaries/forged_farewell': 'pass',
  'canaries/forged_log': 'pass',
  'canaries/forked_buffer': 'pass',
  'canaries/garbage': 'pass',
  'canaries/kill_agent': 'crash',
  'canaries/kill_everything': 'pass',
  'canaries/late_console': 'pass',
  'canaries/long_line': 'pass',
  'canaries/memory_hog': 'fail',
  'canaries/nested_failure': 'fail',
  'canaries/no_plan': 'pass',
  'canaries/no_results': 'pass',
  'canaries/out_of_memory': 'fail',
  'canaries/out_of_memory@another-expected': 'fail',
  'canaries/out_of_memory@expected': 'pass',
  'canaries/outlived': 'pass',
  'canaries/panic': 'crash',
  'canaries/pass': 'pass',
  'canaries/power_off': 'crash',
  'canaries/reboot': 'crash',
  'canaries/segfault': 'fail',
  'canaries/skip': 'skip',
  'canaries/steal_ports': 'pass',
  'canaries/stop_console': 'crash',
  'canaries/taint': 'fail',
  'canaries/taint@expected': 'pass',
  'canaries/wrong_plan': 'fail',
  'canaries/xfail': 'xfail',
  'limits/endless': 'timeout',
  'limits/fork_bomb': 'timeout',
  'limits/silent': 'timeout',
  'limits/unplug_ports': 'timeout',
} as const;
