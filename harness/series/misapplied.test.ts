// SPDX-License-Identifier: MIT
import test from 'ava';
import { addsFile, madeBox } from '../testing/mails.ts';
import { splitMbox } from './mailbox.ts';
import { fromMails } from './series.ts';

/** What is said of a mail with this body. */
function check(body: string) {
  const { series, refusal } = fromMails(
    'box',
    'box',
    splitMbox(madeBox([{ subject: '[PATCH v2] a', body }])),
    {},
  );
  return { warnings: series.warnings, refused: refusal?.message, code: refusal?.code };
}

const changes =
  'diff --git a/b.c b/b.c\n--- a/b.c\n+++ b/b.c\n@@ -1,3 +1,4 @@\n one\n-two\n+2\n+zwei\n three\n';
const stat =
  ' a   | 1 +\n b.c | 3 ++-\n 2 files changed, 3 insertions(+), 1 deletion(-)\n create mode 100644 a\n\n';
const end = '-- \n2.39.5\n';
const whole = `Why.\n\nSigned-off-by: A\n---\n${stat}${addsFile('a')}${changes}${end}`;
const other = (is: string) =>
  `v2-0001-a.patch (v2) has a diff that is not that of its diffstat: ${is}, not 2 files with 3 lines added and 1 removed`;

test('of a whole patch nothing is said', (t) => {
  for (const body of [
    whole,
    whole.replaceAll('\n', '\r\n'),
    `Why.\n---\n${changes}`,
    // A changelog with the diffstat of an older version.
    whole.replace('---\n', '---\nv1:\n x | 1 +\n 1 file changed, 1 insertion(+)\n\n'),
    `Why.\n---\n c => d | 0\n 1 file changed, 0 insertions(+), 0 deletions(-)\n\ndiff --git a/c b/d\nsimilarity index 100%\nrename from c\nrename to d\n`,
  ])
    t.deepEqual(check(body), { warnings: [], refused: undefined, code: undefined });
});

test('a patch that has lost a file or a hunk at its end is not that of its diffstat', (t) => {
  t.deepEqual(check(whole.replace(changes, '')).warnings, [other('1 file with 1 line added and 0 removed')]);
  const hunk = '@@ -9 +10 @@\n-x\n+y\n';
  const more = whole.replace(changes, changes + hunk);
  t.deepEqual(check(more).warnings, [other('2 files with 4 lines added and 2 removed')]);
});

test('a diff in the message or behind the signature, which git applies too, is not that of the diffstat', (t) => {
  const said = [other('3 files with 4 lines added and 1 removed')];
  const example = addsFile('example');
  t.deepEqual(check(`As in\n\n${example}\n${whole}`).warnings, said);
  t.deepEqual(check(whole.replace('---\n', `---\nv2: as in\n${example}\n`)).warnings, said);
  t.deepEqual(check(`${whole}\nAlso:\n${example}`).warnings, said);
  t.deepEqual(check(`As in\n\n${example.replace(/^/gm, '  ')}\n${whole}`).warnings, []);
});

test('damage is said before the patch is applied, where git would apply it too', (t) => {
  t.deepEqual(check(whole.replace(' one\n', 'one\n')).warnings, [
    'v2-0001-a.patch (v2) may be damaged: line 20 is no line of a patch, a mailer wrapped or changed it: "one"',
  ]);
  const wrapped = whole
    .replace('@@ -1,3 +1,4', '@@ -1,2 +1,3')
    .replace('+zwei\n three\n', '+eine lange\nZeile\n');
  t.deepEqual(check(wrapped).warnings, [
    'v2-0001-a.patch (v2) may be damaged: line 24 is one more than its hunk should have, a mailer may have wrapped a line before it: "Zeile"',
  ]);
});

test('names without a/ and b/ are refused, since git would change other files', (t) => {
  const made = addsFile('lib/a.c').replaceAll(/[ab]\/lib/g, 'lib');
  t.deepEqual(check(`Why.\n---\n${made}`), {
    warnings: [],
    refused:
      'v2-0001-a.patch (v2) has names of files without a/ and b/ before them: diff --git lib/a.c lib/a.c',
    code: 'bad-input',
  });
  for (const fine of ['diff --git a/x.c a/x.c', 'diff --git i/x.c w/x.c', 'diff --git old/x.c new/x.c'])
    t.is(check(`Why.\n---\n${fine}\nold mode 100644\nnew mode 100755\n`).refused, undefined, fine);
});

test('a mode that makes no file is refused', (t) => {
  const made = addsFile('lib/a.c').replace('100644', '040000');
  t.is(check(`Why.\n---\n${made}`).refused, 'v2-0001-a.patch (v2) has the mode 040000, which no file has');
  for (const mode of ['100755', '120000', '160000'])
    t.is(check(`Why.\n---\n${made.replace('040000', mode)}`).refused, undefined);
});
