// SPDX-License-Identifier: MIT
// Series of one patch, for tests that need a change of the kernel.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A series of one patch that changes init/version.c. */
export async function seriesOf(scratch: string, name: string, body: string): Promise<string> {
  const dir = join(scratch, name);
  await mkdir(dir);
  const head =
    'From: A Developer <dev@example.org>\nSubject: [PATCH] init: change a line\n\nFor a test.\n---\n';
  await writeFile(join(dir, '0001-init-change-a-line.patch'), `${head}${body}`);
  return dir;
}

export function versionPatch(context: string, added: string): string {
  return `diff --git a/init/version.c b/init/version.c
--- a/init/version.c
+++ b/init/version.c
@@ -1,3 +1,4 @@
 // SPDX-License-Identifier: GPL-2.0-only
${added}
 /*
  *  ${context}
`;
}
