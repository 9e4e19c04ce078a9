// SPDX-License-Identifier: MIT
// `npm run corpus DIR`: does Kiln take the same patches from threads of a real list as b4 does? DIR is a public-inbox.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { asKilnError, KilnError } from '../errors.ts';
import { type InboxMail, indexInbox, readMails, threadsIn } from '../series/inbox.ts';
import { type Mail, readMail } from '../series/mail.ts';
import { type RawMail, splitMbox } from '../series/mailbox.ts';
import { fromMails } from '../series/series.ts';
import { parseSubject } from '../series/subject.ts';
import { exec } from '../util/exec.ts';
import { printable } from '../util/printable.ts';
import { scratchDirectory } from '../util/scratch.ts';
import { explainDifference, isSame, type Read, type Taken } from './differences.ts';

const usage = 'npm run corpus DIR -- [--threads 300] [--seed 1] [--versions]';

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      threads: { type: 'string', default: '300' },
      seed: { type: 'string', default: '1' },
      versions: { type: 'boolean', default: false },
    },
  });
  const [dir] = positionals;
  if (dir === undefined) throw new KilnError('usage', usage);
  const all = threadsIn(await indexInbox(dir)).map((mails) => ({ mails, versions: versionsOf(mails) }));
  const fitting = all.filter(({ versions }) => versions.size >= (values.versions ? 2 : 1));
  const chosen = sample(fitting, Number(values.threads), Number(values.seed));
  const kind = values.versions ? 'threads with several versions' : 'threads with patches';
  process.stdout.write(
    `${chosen.length} of ${fitting.length} ${kind} (of ${all.length}), seed ${values.seed}\n`,
  );
  await using scratch = await scratchDirectory(tmpdir());
  let agreed = 0;
  const explained = new Map<string, number>();
  for (const { mails } of chosen) {
    const raw = await readMails(mails);
    const ours = takeOurs(raw);
    const theirs = await takeTheirs(raw, scratch.path);
    if (isSame(ours, theirs)) {
      agreed++;
      continue;
    }
    const read = new Map(raw.map((one) => [readMail(one), one]));
    const ask = (some: Read[]) =>
      takeTheirs(
        some.map((one) => rawOf(one, read)),
        scratch.path,
      );
    const why = await explainDifference([...read.keys()], ours, theirs, ask);
    process.stdout.write(describe(mails, ours, theirs, why));
    if (why !== undefined) explained.set(why, (explained.get(why) ?? 0) + 1);
  }
  process.stdout.write(summary(chosen.length, agreed, explained));
}

function summary(count: number, agreed: number, explained: ReadonlyMap<string, number>): string {
  const percent = (some: number) => `${some} of ${count}: ${((100 * some) / count).toFixed(1)} %`;
  const known = [...explained.values()].reduce((sum, some) => sum + some, 0);
  return [
    `\nthe same as b4: ${percent(agreed)}\n`,
    ...[...explained].sort((a, b) => b[1] - a[1]).map(([why, some]) => `  ${some} × b4 ${why}\n`),
    `the same, or b4 breaks a rule of docs/adding-a-series.md: ${percent(agreed + known)}\n`,
  ].join('');
}

/** The mail as it came, but for its subject. */
function rawOf({ mail, subject }: Read, read: ReadonlyMap<Mail, RawMail>): RawMail {
  const { envelope, content } = read.get(mail)!;
  if (subject === undefined) return { envelope, content };
  const text = content.toString('latin1').replace(/^subject:.*(?:\r?\n[ \t].*)*/im, `Subject: ${subject}`);
  return { envelope, content: Buffer.from(text, 'latin1') };
}

/** The versions of patches that a thread's subjects name; empty: there is no patch in it. */
function versionsOf(mails: readonly InboxMail[]): Set<number> {
  const subjects = mails.map(({ subject }) => parseSubject(subject));
  const patches = subjects.filter(
    ({ reply, tagged, pull, number }) => reply === 'no' && tagged && !pull && number !== 0,
  );
  return new Set(patches.map(({ revision }) => revision ?? 1));
}

/** The same for the same seed. */
function sample<T>(from: readonly T[], count: number, seed: number): T[] {
  const left = [...from];
  const taken: T[] = [];
  let state = seed;
  while (taken.length < count && left.length > 0) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    taken.push(...left.splice(Math.floor((state / 2 ** 32) * left.length), 1));
  }
  return taken;
}

function takeOurs(raw: RawMail[]): Taken {
  const { series, refusal } = fromMails('thread', 'thread', raw, {});
  return {
    patches: series.patches.map(({ content }) => asTaken(content)),
    isIncomplete: series.missing.length > 0,
    isSeveral: / holds \d+ series: /.test(refusal?.message ?? ''),
    said: [refusal?.message ?? '', ...series.warnings].filter(Boolean).join('; '),
  };
}

async function takeTheirs(raw: RawMail[], dir: string): Promise<Taken> {
  const box = join(dir, 'thread.mbox');
  await writeFile(box, Buffer.concat(raw.flatMap(({ content }) => [envelope, forB4(content), newline])));
  const args = [
    'am',
    '--no-add-trailers',
    '--allow-unicode-control-chars',
    '-o',
    join(dir, 'out'),
    '-n',
    'taken',
    '-m',
    box,
  ];
  const env = {
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'b4.attestation-policy',
    GIT_CONFIG_VALUE_0: 'off',
  };
  await rm(join(dir, 'out'), { recursive: true, force: true });
  await mkdir(join(dir, 'out'));
  const { stderr, exitCode } = await exec('b4', ['--offline-mode', ...args], {
    cwd: dir,
    env,
    okCodes: [0, 1, 2, 128],
  });
  // b4 writes no file if it takes nothing.
  const taken = await readFile(join(dir, 'out', 'taken.mbx')).catch(() => Buffer.alloc(0));
  const patches = splitMbox(taken).map(({ content }) => asTaken(content));
  return {
    patches,
    isIncomplete: /Thread incomplete!/.test(stderr),
    isSeveral: false,
    said: exitCode === 0 && patches.length > 0 ? '' : (stderr.trim().split('\n').at(-1) ?? ''),
  };
}

const envelope = Buffer.from('From mboxrd@z Thu Jan  1 00:00:00 1970\n');
const newline = Buffer.from('\n');

/** b4 0.12 ends at folded headers (with Python 3.11), and knows no mboxrd. */
function forB4(content: Buffer): Buffer {
  const text = content.toString('latin1');
  const end = /\r?\n\r?\n/.exec(text)?.index ?? text.length;
  const head = text.slice(0, end).replace(/\r?\n[ \t]+/g, ' ');
  return Buffer.from(`${head}${text.slice(end)}`.replace(/^(>*From )/gm, '>$1'), 'latin1');
}

function asTaken(content: Buffer): Taken['patches'][number] {
  const mail = readMail({ envelope: '', content });
  const { number, total } = mail.subject;
  return { id: mail.messageId ?? '', diff: diffOf(mail), number, total };
}

/** What the patch changes, without the mail around it. */
function diffOf({ content }: Mail): string {
  const lines = content.toString().split(/\r?\n/);
  return lines.filter((line) => /^(?:[+-](?!-? ?$)|@@ |diff --git )/.test(line)).join('\n');
}

function describe(mails: readonly InboxMail[], ours: Taken, theirs: Taken, why: string | undefined): string {
  const { subject, messageId } = mails[0]!;
  const list = ({ patches, isIncomplete, said }: Taken) =>
    `${patches.length} patches${isIncomplete ? ', incomplete' : ''}${said === '' ? '' : `: ${said}`}`;
  const only = (a: Taken, b: Taken) =>
    a.patches
      .filter(({ id }) => !b.patches.some((other) => other.id === id))
      .map(({ id }) => `      ${id}\n`);
  return printable(
    [
      `\n${subject}\n  <${messageId}>, ${mails.length} mails\n`,
      `  Kiln: ${list(ours)}\n`,
      ...only(ours, theirs),
      `  b4:   ${list(theirs)}\n`,
      ...only(theirs, ours),
      `  ${why === undefined ? 'one of the two is wrong' : `b4 ${why}`}\n`,
    ].join(''),
  );
}

try {
  await main();
} catch (error) {
  const known = asKilnError(error);
  process.stderr.write(`corpus: ${known.message}\n${known.hint === '' ? '' : `  ${known.hint}\n`}`);
  process.exitCode = known.exitCode;
}
