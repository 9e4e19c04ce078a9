// SPDX-License-Identifier: MIT
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { parts } from '../e2e/parts.ts';
import { paths } from '../paths.ts';

test('each end-to-end file is in one part, once', (t) => {
  const suffix = '.test.ts';
  const files = readdirSync(join(paths.root, 'harness', 'e2e'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(suffix))
    .map((file) => file.slice(0, -suffix.length));
  t.deepEqual(Object.values(parts).flat(2).toSorted(), files.toSorted());
});
