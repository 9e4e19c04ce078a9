// SPDX-License-Identifier: MIT
// report.txt: a run of `kiln ci` as a mail that answers the series. Plain ASCII.
//
// Text of guests and mails stands behind `| ` or behind words of this file on its line: mail tools take a line that
// begins like `Acked-by: ` for a trailer, and one that begins like `diff --git ` or `--- ` for a patch.
import { basename } from 'node:path';
import type { Change, CheckResult, Ci, JobResult, Results } from '../schema.ts';
import { checkNames } from '../schema.ts';
import { plural } from '../util/plural.ts';
import { printable } from '../util/printable.ts';
import {
  changeKinds,
  changeName,
  changeTitles,
  ciOf,
  countChanges,
  earlyEndLines,
  excerptOf,
  pastOf,
  patchedJob,
  patchNumber,
  sincePatch,
} from './changes.ts';
import { ascii, cut, firstOf, oneLine, wrap } from './plain.ts';

/** Lines and items at most, so that the mail stays below the 100,000 characters that lists accept. */
const most = {
  excerpt: 40,
  excerpts: 10,
  changes: 30,
  findings: 3,
  allFindings: 100,
  items: 40,
  logLines: 20,
};
/** Columns of what is not wrapped. */
const rowWidth = 100;
/** Characters of a line of a mail, without its end (RFC 5322). */
const lineLimit = 998;

/** Header lines, an empty line, and the text, for `git send-email` or a mail program. */
export function renderMail(results: Results): string {
  const ci = ciOf(results);
  const sections = [
    mailHeaders(ci),
    verdictOf(results, ci),
    aboutLines(results, ci),
    checkTable(ci),
    ...changeKinds.map((kind) => changeSection(kind, results, ci)),
    checkSection(ci),
    titled('Only in the kernel log of the patched kernel', logLines(ci.new_log_lines)),
    titled('Not tested', items(notTested(ci))),
    [`-- `, `Kiln ${results.kiln}, run ${results.id}`],
  ];
  const lines = sections.filter((lines) => lines.length > 0).flatMap((lines) => ['', ...lines.map(plain)]);
  return `${lines.slice(1).join('\n')}\n`;
}

/** As the last step, so that no line is longer or has other characters, whatever the run printed. */
function plain(line: string): string {
  return cut(ascii(printable(line).replaceAll('\n', ' ')), lineLimit);
}

function mailHeaders(ci: Ci): string[] {
  const { message_id, from, revision } = ci.series;
  const version = revision !== null && revision > 1 ? ` v${revision}` : '';
  const count = ci.patches.length;
  const isFirst = message_id !== null && message_id === ci.patches[0]?.message_id;
  const number = count > 1 || !isFirst ? ` ${isFirst ? 1 : 0}/${count}` : '';
  const subject = oneLine(ci.series.subject);
  // Only what is safe in a header, unquoted.
  const address = /([\w.+-]+@[\w.-]+)>?\s*$/.exec((from ?? '').slice(-lineLimit))?.[1];
  const id =
    message_id !== null && /^[\w.!#$%&'*+/=?^`{|}~-]+@[\w.!#$%&'*+/=?^`{|}~-]+$/.test(message_id)
      ? `<${message_id}>`
      : null;
  return [
    `Subject: ${id === null ? 'Test results: ' : `Re: [PATCH${version}${number}] `}${cut(subject, 200)}`,
    ...(address === undefined ? [] : [`To: ${address}`]),
    ...(id === null ? [] : [`In-Reply-To: ${id}`, `References: ${id}`]),
  ];
}

function verdictOf(results: Results, ci: Ci): string[] {
  const found = countChanges(ci);
  const about = `Kiln tested this series of ${plural(ci.patches.length, 'patch')}${found === '' ? ' and found no change' : `: ${found}`}.`;
  const reasons = [...ci.failures, ...earlyEndLines(results)];
  const open = ci.changes.some(({ kind }) => kind === 'undecided');
  if (reasons.length === 0) return wrap(`${about} No failure is ${open ? 'known to be ' : ''}new.`);
  return [...wrap(about), '', 'The run fails:', ...items(reasons)];
}

const howWords: Record<Ci['base']['how'], string> = {
  asked: 'it was given',
  'base-commit': 'the series names it',
  blobs: 'it has the files that the diffs were made on',
  candidate: 'the series applies to this candidate',
  default: 'the default, because nothing names another',
};

/** What was tested, and on what. No colons: see above. */
function aboutLines(results: Results, ci: Ci): string[] {
  const job = patchedJob(results) ?? results.jobs[0];
  const base = results.jobs.find(({ id }) => id === ci.base_job) ?? job;
  const version = base?.base.version;
  const rows: [string, string | null | undefined][] = [
    ['series', [ci.series.name, `"${ci.series.subject}"`, ci.series.source].join(', ')],
    ['base', `${ci.base.source}${version ? `, version ${version}` : ''}`],
    ['', `${howWords[ci.base.how]}: ${ci.base.reason}`],
    ['kernel', job?.kernel?.release],
    ['config', job?.config.join(', ')],
    ['compiler', job?.compiler],
    ['QEMU', qemuText(results)],
    ['runs on', job && acceleratorText(job)],
  ];
  return rows.flatMap(([name, value]) => (value ? wrap(value, name.padEnd(10)) : []));
}

function acceleratorText({ accelerator: { name, cpu, reason, lacks = [] } }: JobResult): string {
  const model = cpu === undefined ? '' : `, CPU ${cpu}`;
  const without = lacks.length === 0 ? '' : ` without ${lacks.join(', ')}`;
  return `${name === 'kvm' ? 'KVM' : 'TCG'}${model}${without} (${reason})`;
}

function qemuText({ tests }: Results): string | null {
  const guest = tests.find((one) => one.guest !== null)?.guest;
  if (!guest) return null;
  const machine = guest.qemu[guest.qemu.indexOf('-machine') + 1]?.split(',')[0];
  const cpus = plural(guest.cpus, 'CPU');
  return `${basename(guest.qemu[0] ?? '')}, machine ${machine}, ${cpus}, ${guest.memory} MiB`;
}

const statusWords: Record<CheckResult['status'], string> = {
  pass: 'ok',
  warn: 'warn',
  fail: 'FAIL',
  skip: '-',
};

/** All names in one row have more than 72 columns. */
const shortNames: Partial<Record<CheckResult['name'], string>> = { 'kernel-doc': 'doc', elsewhere: 'else' };

/** A row for each patch; only the checks that were made of one. */
function checkTable(ci: Ci): string[] {
  const columns = checkNames.filter((name) =>
    ci.patches.some(({ checks }) => checks.some((one) => one.name === name)),
  );
  if (columns.length === 0) return [];
  const titles = columns.map((name) => shortNames[name] ?? name);
  const width = Math.max(5, `${ci.patches.length}/${ci.patches.length}`.length);
  const row = (first: string, cells: string[]) =>
    [first.padStart(width), ...cells.map((cell, index) => cell.padEnd(titles[index]!.length))]
      .join(' ')
      .trimEnd();
  return [
    row('patch', titles),
    ...ci.patches.map((patch) =>
      row(
        patchNumber(ci, patch),
        columns.map((name) => {
          const check = patch.checks.find((one) => one.name === name);
          return check ? statusWords[check.status] : '';
        }),
      ),
    ),
    '',
    ...ci.patches.map((patch) =>
      cut(`${patchNumber(ci, patch).padStart(width)} ${oneLine(patch.subject)}`, rowWidth),
    ),
  ];
}

function changeSection(kind: Change['kind'], results: Results, ci: Ci): string[] {
  const found = ci.changes.filter((one) => one.kind === kind);
  const title = `${changeTitles[kind]} (${found.length})`;
  const isOpen = kind === 'new-failure' || kind === 'undecided';
  const render = (one: Change, index: number) =>
    isOpen ? openChange(one, index, results, ci) : settledChange(one);
  return titled(title, firstOf(found, most.changes, render, moreOf));
}

/** A change to look into: with what the kernel or the test printed, and the command lines that show it again. */
function openChange(change: Change, index: number, results: Results, ci: Ci): string[] {
  const remarks = [change.sentence, sincePatch(ci, change), pastOf(change), change.detail].filter(
    (one) => one !== '',
  );
  const excerpt = index < most.excerpts ? excerptOf(change, results) : [];
  return [
    ...(index === 0 ? [] : ['']),
    cut(`${index + 1}) ${changeName(change)}`, rowWidth),
    ...remarks.flatMap((one) => wrap(one, '   - ')),
    ...(excerpt.join('\n') === change.detail ? [] : quoted(excerpt)),
    ...reproduceLines(change),
  ];
}

function settledChange(change: Change): string[] {
  const detail = change.detail === '' ? '' : `, ${change.detail}`;
  return wrap(`${changeName(change)} (${change.sentence}${detail})`, '* ');
}

function reproduceLines({ reproduce: { patched, base } }: Change): string[] {
  const commands = [patched, base].filter((one) => one !== null).map((one) => `     ${oneLine(one)}`);
  if (commands.length === 0) return [];
  const which = [patched === null ? [] : 'with the series', base === null ? [] : 'without it']
    .flat()
    .join(' and ');
  // Half of a command line would be another one.
  const fits = commands.every((one) => one.length <= lineLimit);
  return [
    `   To reproduce it, ${which}`,
    ...(fits ? commands : ['     see results.json, the lines are too long']),
  ];
}

/** The checks of each patch that are no pass, and what they found. */
function checkSection(ci: Ci): string[] {
  const checks = ci.patches.flatMap((patch) =>
    patch.checks
      .filter(({ status }) => status === 'warn' || status === 'fail')
      .map((check) => ({ patch, check })),
  );
  const lines = firstOf(
    checks,
    most.items,
    ({ patch, check }, index) => {
      const number = patchNumber(ci, patch);
      const findings = index * most.findings < most.allFindings ? check.findings : [];
      return [
        ...wrap(
          `${check.status === 'fail' ? 'fails' : 'warns'}: ${check.summary}`,
          `${number} ${check.name} `,
        ),
        ...firstOf(
          findings,
          most.findings,
          (one) => quoted(one.split('\n')),
          (count) => `| (${count} more)`,
        ),
      ];
    },
    moreOf,
  );
  return titled('What the checks found', lines);
}

/** What the run says was not tested, then what its patches say beyond that. */
function notTested(ci: Ci): string[] {
  const files = ci.patches.flatMap((patch) =>
    patch.files.flatMap(({ path, compiled, reason, functions }) => {
      if (ci.not_tested.slice(0, most.items).some((one) => one.includes(path))) return [];
      const number = patchNumber(ci, patch);
      if (compiled === false)
        return [`${number} ${path} is not compiled${reason === null ? '' : ` (${reason})`}`];
      const missing = functions.filter((one) => !one.compiled).map(({ name }) => `${name}()`);
      return missing.length > 0 ? [`${number} ${path} is compiled without ${missing.join(', ')}`] : [];
    }),
  );
  const checks = ci.patches.flatMap((patch) =>
    patch.checks
      .filter(({ status }) => status === 'skip')
      .map(
        ({ name, summary }) => `${patchNumber(ci, patch)} ${name}${summary === '' ? '' : ` (${summary})`}`,
      ),
  );
  return [...ci.not_tested, ...files, ...checks];
}

function logLines(lines: readonly string[]): string[] {
  return firstOf(
    lines,
    most.logLines,
    (line) => quoted([line]),
    (count) => `| (${count} more)`,
  );
}

function moreOf(count: number): string {
  return `(${count} more in results.json)`;
}

function items(all: readonly string[]): string[] {
  return firstOf(
    all,
    most.items,
    (one) => wrap(one, '* '),
    (count) => `* ${count} more in results.json`,
  );
}

/** Lines of a log, as they are, up to their limits. */
function quoted(lines: readonly string[]): string[] {
  const own = lines.flatMap((line) => line.split(/\r?\n/)).filter((line) => line.trim() !== '');
  const render = (line: string) => {
    const shown = printable(line.slice(0, lineLimit)).replaceAll('\n', ' ').replaceAll('\t', '        ');
    return [cut(`| ${ascii(shown)}`, rowWidth)];
  };
  return firstOf(own, most.excerpt, render, (count) => `| (${count} more lines)`);
}

function titled(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [title, '', ...lines];
}
