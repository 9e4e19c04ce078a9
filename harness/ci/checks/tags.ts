// SPDX-License-Identifier: MIT
// The tags of a commit message. The levels are those of the field: a patch without its author's Signed-off-by can't be
// taken (checkpatch.pl says error, NIPA fails), so that it fails here too; other spellings of the author only warn.
import type { Context } from '../../context.ts';
import type { CheckResult } from '../../schema.ts';
import { header, splitMail } from '../../series/mime.ts';
import type { Patch } from '../../series/patch.ts';
import type { AppliedPatch } from '../../tree/tree.ts';
import { git } from '../../util/git.ts';
import { plural } from '../../util/plural.ts';
import { shown, type TagFinding } from './findings.ts';
import { type FixedCommits, findFixed, fixedHashes, type History, judgeFixes } from './fixes.ts';

export type Person = { name: string; address: string };

/** What git made of a patch, and who sent it. */
export type Message = {
  /** Of the commit: a `From:` in the mail's text comes before that of its header. */
  author: Person;
  /** Of the mail's header; null if there is no mail. */
  sender: Person | null;
  text: string;
};

/** @param history where `Fixes:` is looked up; null: its form alone is checked */
export async function tags(
  { patch, applied }: { patch: Patch; applied: AppliedPatch },
  gitDir: string,
  history: History | null,
  { signal }: Context,
): Promise<CheckResult> {
  const message = await readMessage(patch, applied, gitDir, signal);
  const fixed = await findFixed(history, fixedHashes(tagsOf(message.text, 'Fixes')), signal);
  return judgeTags(message, fixed);
}

async function readMessage(
  { content }: Patch,
  { commit }: AppliedPatch,
  gitDir: string,
  signal: AbortSignal,
): Promise<Message> {
  const format = ['%an', '%ae', '%B'].join('%x00');
  const words = [
    'rev-list',
    '--no-walk',
    '--no-commit-header',
    '--encoding=UTF-8',
    `--format=${format}`,
    commit,
  ];
  const [name = '', address = '', text = ''] = (await git(gitDir, words, { signal })).stdout.split('\0');
  const from = header(splitMail(content).headers, 'from');
  return { author: { name, address }, sender: from === '' ? null : readPerson(from), text };
}

export function judgeTags(message: Message, fixed: FixedCommits): CheckResult {
  const name = 'tags';
  const { author, text } = message;
  // Kiln names this author if a patch is a bare diff.
  if (author.address === 'unknown@localhost')
    return {
      name,
      status: 'skip',
      summary: 'it is a bare diff, which has no author and no message',
      findings: [],
    };
  const fixes = tagsOf(text, 'Fixes');
  const findings = [...judgeSignOffs(message), ...fixes.flatMap((tag) => judgeFixes(tag, fixed))];
  const unchecked = fixedHashes(fixes).filter((digits) => !fixed.found.get(digits)).length;
  const note = unchecked === 0 ? '' : `; ${plural(unchecked, 'Fixes: tag')} not looked up: ${fixed.reason}`;
  const [worst] = findings.toSorted((a, b) => a.status.localeCompare(b.status));
  const others = findings.length > 1 ? ` (and ${findings.length - 1} more)` : '';
  return {
    name,
    status: worst?.status ?? 'pass',
    summary: `${worst ? `${worst.text}${others}` : `signed off by ${asText(author)}`}${note}`,
    findings: shown(findings.map((one) => `${one.status}: ${one.text}`)),
  };
}

function judgeSignOffs({ author, sender, text }: Message): TagFinding[] {
  const signers = tagsOf(text, 'Signed-off-by').map(readPerson);
  if (signers.length === 0) return [{ status: 'fail', text: 'there is no Signed-off-by' }];
  const findings: TagFinding[] = [];
  const found = closest(author, signers);
  if (found === null)
    findings.push({ status: 'fail', text: `there is no Signed-off-by of the author, ${asText(author)}` });
  else if (found.name !== author.name || !sameAddress(found, author))
    findings.push({
      status: 'warn',
      text: `the author is ${asText(author)}, the Signed-off-by ${asText(found)}`,
    });
  // A list may put its own address in the header.
  if (sender && closest(sender, [author]) === null && closest(sender, signers) === null)
    findings.push({ status: 'warn', text: `there is no Signed-off-by of the sender, ${asText(sender)}` });
  return findings;
}

/** The person who is most alike: by address and name, by address, by name. */
function closest(person: Person, others: Person[]): Person | null {
  const byAddress = others.filter((one) => sameAddress(one, person));
  const byName = others.filter((one) => one.name !== '' && one.name === person.name);
  return byAddress.find((one) => byName.includes(one)) ?? byAddress[0] ?? byName[0] ?? null;
}

function sameAddress(one: Person, other: Person): boolean {
  return one.address.toLowerCase() === other.address.toLowerCase();
}

/** `Name <address>`, as a header or a tag has it; without quotes and comments. */
export function readPerson(text: string): Person {
  const [, name = '', address] = /^(.*?)<([^<>]*)>/s.exec(text) ?? [];
  const plain = name.replace(/"((?:[^"\\]|\\.)*)"/g, '$1').replace(/\\(.)/g, '$1');
  return {
    name: plain.replace(/\s+/g, ' ').trim().normalize(),
    address: (address ?? text).trim(),
  };
}

function asText({ name, address }: Person): string {
  return name === '' ? address : `${name} <${address}>`;
}

/** The values of a tag, in order, wherever in the message it stands at the beginning of a line. */
export function tagsOf(text: string, tag: string): string[] {
  return [...text.matchAll(new RegExp(`^${tag}:[ \\t]*(.*?)[ \\t]*$`, 'gim'))].map(([, value]) => value!);
}
