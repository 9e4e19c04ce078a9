// SPDX-License-Identifier: MIT
// A series that a bench makes: each of its patches changes the code of one driver.
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { git } from '../util/git.ts';

/** Drivers that the small config builds, and that Linux has had for long. */
export const drivers = [
  'drivers/char/mem.c',
  'drivers/char/misc.c',
  'drivers/char/virtio_console.c',
  'drivers/base/cpu.c',
  'drivers/base/driver.c',
  'drivers/base/platform.c',
  'drivers/pci/probe.c',
  'drivers/tty/tty_io.c',
  'drivers/tty/serial/8250/8250_port.c',
  'drivers/virtio/virtio_ring.c',
];

/** A source: a commit in a repository. */
type Source = { gitDir: string; commit: string };

/**
 * Write a series of a patch for each of these files, which adds a function to it.
 * @param word part of the functions' names: another word makes other patches
 * @returns the series' directory
 */
export async function makeDriverSeries(
  { gitDir, commit }: Source,
  files: readonly string[],
  word: string,
  dir: string,
): Promise<string> {
  await mkdir(dir);
  for (const [index, file] of files.entries()) {
    const { stdout } = await git(gitDir, ['show', `${commit}:${file}`]);
    const patch = addFunction(file, stdout, `kiln_${word}_${index + 1}`, `${index + 1}/${files.length}`);
    await writeFile(join(dir, `${String(index + 1).padStart(4, '0')}-add-a-function.patch`), patch);
  }
  return dir;
}

/** A patch that adds a function at the end of a file. @param place `2/10` */
export function addFunction(file: string, text: string, name: string, place: string): string {
  const lines = text.replace(/\n$/, '').split('\n');
  const context = lines.slice(-3);
  const added = ['', `int ${name}(int value);`, `int ${name}(int value)`, '{', '\treturn 3 * value;', '}'];
  const first = lines.length - context.length + 1;
  const [before, after] = [context.length, context.length + added.length];
  return `From: Kiln <kiln@example.org>
Subject: [PATCH ${place}] ${basename(file, '.c')}: add a function

Change the code of one file.

Signed-off-by: Kiln <kiln@example.org>
---
diff --git a/${file} b/${file}
--- a/${file}
+++ b/${file}
@@ -${first},${before} +${first},${after} @@
${context.map((line) => ` ${line}\n`).join('')}${added.map((line) => `+${line}\n`).join('')}`;
}
