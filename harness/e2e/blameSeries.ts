// SPDX-License-Identifier: MIT
// Ten series of which it is known what they break. Each changes one or two files that are compiled quickly.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Base } from '../tree/base.ts';
import { git } from '../util/git.ts';

/** A patch: what is replaced in a file. */
type Edit = { file: string; from: string; to: string };

export type BlameSeries = {
  name: string;
  /** Of harness/fixtures/blame. */
  test: 'calls' | 'sometimes' | 'often';
  edits: Edit[];
  /** The case that fails with the series more often, in which share of its runs, and since which patch. */
  breaks: { case: string; share: number; patch: number } | null;
};

const mem = 'drivers/char/mem.c';
const pipe = 'fs/pipe.c';
const eventfd = 'fs/eventfd.c';

const full: Edit = { file: mem, from: 'return -ENOSPC;', to: 'return -EFBIG;' };
const empty = (condition: string): Edit => ({
  file: mem,
  from: 'static ssize_t read_null(struct file *file, char __user *buf,\n\t\t\t size_t count, loff_t *ppos)\n{\n',
  to: `static ssize_t read_null(struct file *file, char __user *buf,\n\t\t\t size_t count, loff_t *ppos)\n{\n\tif (${condition})\n\t\treturn -EIO;\n`,
});
const size = (condition: string): Edit => ({
  file: pipe,
  from: '\t\tret = pipe->max_usage * PAGE_SIZE;\n',
  to: `\t\tret = (${condition}) ? 0 : pipe->max_usage * PAGE_SIZE;\n`,
});
const semaphore: Edit = { file: eventfd, from: '(ctx->flags & EFD_SEMAPHORE) && ctx->count', to: '0' };
/** Changes code, and nothing that a program sees. */
const harmless = (file: string, function_: string): Edit => ({
  file,
  from: `EXPORT_SYMBOL_GPL(${function_});\n`,
  to: `EXPORT_SYMBOL_GPL(${function_});\n\nint ${function_}_twice(int value);\nint ${function_}_twice(int value)\n{\n\treturn 2 * value;\n}\n`,
});
const comment: Edit = {
  file: pipe,
  from: 'long pipe_fcntl(',
  to: '/* A pipe has a size. */\nlong pipe_fcntl(',
};
const harmlessEventfd = harmless(eventfd, 'eventfd_ctx_fdget');
const percent = (share: number) => `get_random_u32_below(100) < ${share * 100}`;

export const blameSeries: BlameSeries[] = [
  {
    name: 'full',
    test: 'calls',
    edits: [full],
    breaks: { case: 'global.full_has_no_space', share: 1, patch: 1 },
  },
  {
    name: 'null',
    test: 'calls',
    edits: [harmlessEventfd, empty('count')],
    breaks: { case: 'global.null_is_empty', share: 1, patch: 2 },
  },
  {
    name: 'pipe',
    test: 'calls',
    edits: [comment, size('pipe->max_usage')],
    breaks: { case: 'global.a_pipe_has_16_pages', share: 1, patch: 2 },
  },
  {
    name: 'semaphore',
    test: 'calls',
    edits: [semaphore, comment],
    breaks: { case: 'global.a_semaphore_is_taken_once', share: 1, patch: 1 },
  },
  {
    name: 'null-half',
    test: 'calls',
    edits: [empty(percent(0.5))],
    breaks: { case: 'global.null_is_empty', share: 0.5, patch: 1 },
  },
  {
    name: 'pipe-40',
    test: 'calls',
    edits: [harmlessEventfd, size(percent(0.4))],
    breaks: { case: 'global.a_pipe_has_16_pages', share: 0.4, patch: 2 },
  },
  { name: 'comment', test: 'calls', edits: [comment], breaks: null },
  { name: 'harmless', test: 'calls', edits: [harmlessEventfd], breaks: null },
  { name: 'sometimes', test: 'sometimes', edits: [harmlessEventfd], breaks: null },
  { name: 'often', test: 'often', edits: [full], breaks: null },
];

/** Write a series as mails for a base. Throws if the base lacks what an edit replaces. @returns the directory */
export async function writeBlameSeries(
  { name, edits }: BlameSeries,
  base: Base,
  dir: string,
): Promise<string> {
  const [source, mails] = [join(dir, `${name}-source`), join(dir, name)];
  await git(dir, ['init', '--quiet', source]);
  for (const file of new Set(edits.map((edit) => edit.file))) {
    await mkdir(join(source, dirname(file)), { recursive: true });
    const { stdout } = await git(base.gitDir, ['show', `${base.commit}:${file}`]);
    await writeFile(join(source, file), `${stdout.replace(/\n$/, '')}\n`);
  }
  await git(source, ['add', '.']);
  await git(source, ['commit', '--quiet', '--message', 'base']);
  for (const { file, from, to } of edits) {
    const text = await readFile(join(source, file), 'utf8');
    if (text.split(from).length !== 2) throw new Error(`${base.source}: ${file} does not have once: ${from}`);
    await writeFile(
      join(source, file),
      text.replace(from, () => to),
    );
    await git(source, ['commit', '--quiet', '--all', '--signoff', '--message', `${file}: change it`]);
  }
  await git(source, ['format-patch', '--quiet', '--output-directory', mails, `HEAD~${edits.length}`]);
  return mails;
}
