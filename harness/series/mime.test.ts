// SPDX-License-Identifier: MIT
// Mails in the encodings that lists deliver: what git am is given of them, and that it applies.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { paths } from '../paths.ts';
import { addsFile, clearsigned, madeMail } from '../testing/mails.ts';
import { processorTime } from '../testing/processorTime.ts';
import { git } from '../util/git.ts';
import { readMail } from './mail.ts';
import { splitMbox } from './mailbox.ts';
import { decodeWords } from './mime.ts';

const read = (content: string | Buffer) => readMail({ envelope: '', content: Buffer.from(content) });

/** The mail's file after git am has applied the mail to a repository with these files. */
async function apply(
  t: ExecutionContext,
  mail: string | Buffer,
  files: Record<string, string | Buffer> = {},
) {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  await git(dir, ['init', '--quiet', '--template=']);
  await git(dir, ['commit', '--quiet', '--allow-empty', '--message', 'empty']);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), text);
    await git(dir, ['add', path]);
  }
  await git(dir, ['commit', '--quiet', '--allow-empty', '--message', 'base']);
  await writeFile(join(dir, '.git', 'mail'), read(mail).content);
  await git(dir, ['am', '--quiet', '--keep-cr', '.git/mail']);
  const { stdout } = await git(dir, ['log', '-1', '--format=%an <%ae>%n%B', '--name-only']);
  const path = (await git(dir, ['diff', '--name-only', 'HEAD~1', 'HEAD'])).stdout.trim();
  return { log: stdout, content: await readFile(join(dir, path)) };
}

/** A mail that adds a file with this line. */
function adds(line: string, headers: string[], encode: (body: string) => string = (body) => body): string {
  return madeMail({
    subject: '[PATCH] lib: a',
    headers,
    body: encode(`Why: ${line}\n---\n\n${addsFile('a', line)}`),
  });
}

const base64 = (body: string) => Buffer.from(body).toString('base64').replace(/.{76}/g, '$&\n');
const quoted = (body: string) =>
  body
    .replace(/=/g, '=3D')
    .replace(/[^\x00-\x7f]/g, (letter) =>
      [...Buffer.from(letter)].map((byte) => `=${byte.toString(16).toUpperCase()}`).join(''),
    );

for (const [name, headers, encode] of [
  ['8 bit', ['Content-Type: text/plain; charset=utf-8'], undefined],
  ['no charset', [], undefined],
  ['a charset that does not exist', ['Content-Type: text/plain; charset=y'], undefined],
  ['a charset that is not the text’s', ['Content-Type: text/plain; charset=us-ascii'], undefined],
  ['another charset that is not the text’s', ['Content-Type: text/plain; charset="ISO-8859-1"'], undefined],
  ['base64', ['Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: base64'], base64],
  [
    'base64 with CR LF',
    ['Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: BASE64'],
    (body: string) => base64(body.replaceAll('\n', '\r\n')),
  ],
  ['quoted-printable', ['Content-Transfer-Encoding: quoted-printable'], quoted],
  ['quoted-printable with a comment', ['Content-Transfer-Encoding: quoted-printable (yes)'], quoted],
  [
    'quoted-printable with soft line ends',
    ['Content-Transfer-Encoding: quoted-printable'],
    (body: string) => quoted(body).replace('=3D 1', '=3D =\n1'),
  ],
  [
    'quoted-printable with CR LF',
    ['Content-Transfer-Encoding: quoted-printable'],
    (body: string) => quoted(body).replaceAll('\n', '=0D\n'),
  ],
] as [string, string[], ((body: string) => string) | undefined][])
  test(`a mail in ${name} applies`, async (t) => {
    const { log, content } = await apply(t, adds('int Köln = 1;', headers, encode));
    t.is(content.toString(), 'int Köln = 1;\n');
    t.true(log.includes('Why: int Köln = 1;'), log);
  });

test('base64 in chunks that are each padded is read to its end, but no footer behind it', async (t) => {
  const headers = ['Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: base64'];
  const chunks = (body: string) =>
    (body.match(/[\s\S]{1,40}/g) ?? []).map((chunk) => Buffer.from(chunk).toString('base64')).join('\n');
  for (const footer of ['', '\n\n', '\n_______\nAlpine mailing list\nabcd\n'])
    t.is(
      (
        await apply(
          t,
          adds('int Köln = 1;', headers, (body) => chunks(body) + footer),
        )
      ).content.toString(),
      'int Köln = 1;\n',
      footer,
    );
});

test('text in another charset becomes UTF-8', async (t) => {
  const latin = Buffer.from(adds('int Köln = 1;', ['Content-Type: text/plain; charset=iso-8859-1']), 'utf8');
  const { log, content } = await apply(t, Buffer.from(latin.toString('utf8'), 'latin1'));
  t.is(content.toString(), 'int Köln = 1;\n');
  t.true(log.includes('Why: int Köln = 1;'));
});

const encoded = (name: string, hex: string) =>
  Buffer.from(
    adds(
      'NAME',
      [`Content-Type: text/plain; charset=${name}`, 'Content-Transfer-Encoding: base64'],
      (body) => {
        const [before, between, after] = body.split('NAME');
        const text = (part: string) => Buffer.from(part, name.startsWith('utf-16') ? 'utf16le' : 'latin1');
        const line = Buffer.from(hex, 'hex');
        const all = Buffer.concat([text(before!), line, text(between!), line, text(after!)]);
        return (name === 'utf-16be' ? all.swap16() : all).toString('base64');
      },
    ),
  );

for (const [name, hex, line] of [
  ['iso-2022-jp', '1b24424b5c1b2842', '本'],
  ['shift_jis', '967b', '本'],
  ['windows-1252', '80', '€'],
  ['gb18030', 'd6d0', '中'],
  ['koi8-r', 'f0', 'П'],
  ['utf-16le', '2c67', '本'],
  ['utf-16be', '2c67', '本'],
] as const)
  test(`text in ${name} becomes UTF-8, which is said of its diff`, async (t) => {
    const mail = encoded(name, hex);
    t.is((await apply(t, mail)).content.toString(), `${line}\n`);
    t.deepEqual(read(mail).notes, [`its diff is converted from ${name} to UTF-8`]);
  });

test('UTF-16 says by its first bytes which of the two it is', async (t) => {
  const headers = ['Content-Type: text/plain; charset=UTF-16', 'Content-Transfer-Encoding: base64'];
  for (const swap of [false, true]) {
    const mail = adds('本', headers, (body) => {
      const bytes = Buffer.from(`\ufeff${body}`, 'utf16le');
      return (swap ? bytes.swap16() : bytes).toString('base64');
    });
    t.is((await apply(t, mail)).content.toString(), '本\n');
  }
});

test('also of a mail that git sent, whose diff is else taken as it is', async (t) => {
  const mail = encoded('utf-16le', '2c67').toString().replace('\n', '\nX-Mailer: git-send-email 2.39.5\n');
  t.is((await apply(t, mail)).content.toString(), '本\n');
});

test('a mail that is falsely called UTF-16 or ISO-2022 is read as the UTF-8 that it is', async (t) => {
  for (const charset of ['utf-16', 'iso-2022-jp'])
    t.is(
      (await apply(t, adds('Köln', [`Content-Type: text/plain; charset=${charset}`]))).content.toString(),
      'Köln\n',
    );
});

test('text in a charset that nothing knows stays as it is, which is said if that matters', (t) => {
  const mail = (charset: string, line: string) =>
    Buffer.from(adds(line, [`Content-Type: text/plain; charset=${charset}`]), 'latin1');
  const said = (charset: string) => [
    `its charset ${charset} is not known, the bytes of its diff are taken as they are`,
  ];
  t.deepEqual(read(mail('cp850', '\x94')).notes, said('cp850'));
  t.deepEqual(read(mail('iso-2022-kr', '\x1b$)C\x0e<\x0f')).notes, said('iso-2022-kr'));
  t.deepEqual(read(mail('hz-gb-2312', '~{VP~}')).notes, said('hz-gb-2312'));
  t.deepEqual(read(mail('y', 'plain')).notes, []);
  t.deepEqual(read(mail('utf-8', '\xf6')).notes, []);
});

test('bytes of a file that are in no charset stay as they are', async (t) => {
  const mail = Buffer.from(adds('int K\xf6ln = 1;', ['Content-Type: text/plain; charset=utf-8']), 'latin1');
  t.deepEqual((await apply(t, mail)).content, Buffer.from('int K\xf6ln = 1;\n', 'latin1'));
});

test('a mail with CR LF applies to files without, and to files with', async (t) => {
  const mail = adds('int a;', []);
  t.is((await apply(t, mail.replaceAll('\n', '\r\n'))).content.toString(), 'int a;\n');
  t.is((await apply(t, mail.replace('+int a;', '+int a;\r'))).content.toString(), 'int a;\r\n');
});

test('the cases flowed-unstuffed and base64-crlf apply', async (t) => {
  const lines = Array.from({ length: 7 }, (_, index) => `int a${index + 1}(void);`);
  const struct = ['int a8(void);', 'struct s {', '\tint x;', '};'];
  const wide = 'int wide(int first_argument_with_a_long_name, int second_argument_with_a_long_name);';
  const file = [...lines, ...struct, wide, 'int a11(void);', 'int a12(void);', 'int a13(void);', ''].join(
    '\n',
  );
  const mail = async (name: string) =>
    splitMbox(await readFile(join(paths.fixtures, 'mail', `${name}.mbox`)))[0]!.content;
  const flowed = await apply(t, await mail('flowed-unstuffed'), { 'lib/a.c': file });
  t.is(flowed.content.toString(), file.replace('};', '\tlong x;'));
  const encoded = await apply(t, await mail('base64-crlf'), { 'lib/a.c': file });
  t.is(encoded.content.toString(), file.replace('a2(void)', 'a2(int)'));
});

const listed = 'one\n - two\n-- three\nfour\n';
const unlisted = `Why.\n---\n f | 2 --\n 1 file changed, 2 deletions(-)\n\ndiff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1,4 +1,2 @@\n one\n- - two\n--- three\n four\n-- \n2.39.5\n`;

test('a patch that is signed in its text (PGP) applies as it was before', async (t) => {
  const headers = ['Content-Type: text/plain; charset=utf-8'];
  for (const body of [
    clearsigned(unlisted),
    clearsigned(unlisted).replaceAll('\n', '\r\n'),
    `${clearsigned(unlisted)}_______\nA list\n`,
    clearsigned(unlisted, {
      headers: 'NotDashEscaped: You need GnuPG to verify this message',
      dashes: '-',
    }),
  ]) {
    const mail = madeMail({ subject: '[PATCH] f', headers, body });
    const { content, log } = await apply(t, mail, { f: listed });
    t.is(content.toString(), 'one\nfour\n');
    t.false(/PGP|iHUE/.test(log), log);
    t.deepEqual([read(mail).unreadable, read(mail).notes], [null, []]);
  }
});

test('a signed patch that is escaped in part, or whose signature is lost, is refused', (t) => {
  const why = (body: string) => read(madeMail({ subject: '[PATCH] f', body })).unreadable;
  t.is(
    why(clearsigned(unlisted).replace('- --- a/f', '--- a/f')),
    'signed by PGP, and changed after that: of its lines that begin with a dash, some are escaped and some not',
  );
  t.is(
    why(clearsigned(unlisted).replace(/-----BEGIN PGP SIGNATURE[\s\S]*/, '')),
    'signed by PGP, but cut off: there is no signature behind its text',
  );
  t.is(why(`> ${clearsigned(unlisted).replaceAll('\n', '\n> ')}\n${addsFile('a')}`), null);
});

test('a mail that is encrypted in its text says so', (t) => {
  const body = '-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n';
  t.is(read(madeMail({ subject: '[PATCH] f', body })).whyNone, 'no diff in it, it is encrypted');
});

test('a mail that is flowed in truth applies', async (t) => {
  const file = 'one\ntwo with a line that is long\nthree\n';
  const diff =
    'diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n  one\n-two with a line \nthat is long\n+2 with a line \nthat is long\n  three\n';
  const headers = ['Content-Type: text/plain; charset=utf-8; format=flowed'];
  const { content } = await apply(
    t,
    madeMail({ subject: '[PATCH] f', headers, body: `Why.\n---\n${diff}` }),
    {
      f: file,
    },
  );
  t.is(content.toString(), file.replace('two', '2'));
});

test('a mail that is flowed and whole, but for a space before each space, applies', async (t) => {
  const file = '\tone\n\n\tthree\n';
  const diff = 'diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n  \tone\n  \n-\tthree\n+\t3\n';
  const headers = ['Content-Type: text/plain; charset=utf-8; format=flowed'];
  const mail = madeMail({ subject: '[PATCH] f', headers, body: `Why.\n---\n${diff}` });
  t.is((await apply(t, mail, { f: file })).content.toString(), file.replace('three', '3'));
});

test('the space at the end of a flowed line goes if the mail says delsp=yes', async (t) => {
  const diff =
    'diff --git a/f b/f\nnew file mode 100644\n--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+one long_ \nword\n';
  const headers = ['Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes'];
  const mail = madeMail({ subject: '[PATCH] f', headers, body: `Why.\n---\n${diff}` });
  t.is((await apply(t, mail)).content.toString(), 'one long_word\n');
});

const inParts = (kind: string, ...parts: [type: string, text: string][]) =>
  madeMail({
    subject: '[PATCH] lib: a',
    headers: ['MIME-Version: 1.0', `Content-Type: multipart/${kind}; boundary="=_b"`],
    body: `${parts.map(([type, text]) => `--=_b\nContent-Type: ${type}\n\n${text}\n`).join('')}--=_b--\n`,
  });

test('a patch that is in the text and attached too is taken once', async (t) => {
  const text = `Why.\n---\n${addsFile('a', 'once')}`;
  const mail = inParts(
    'mixed',
    ['text/plain', text],
    ['text/x-patch; name=a.patch', `From: x\n\n${text}-- \n2.39\n`],
  );
  t.is((await apply(t, mail)).content.toString(), 'once\n');
  t.deepEqual(read(mail).notes, []);
});

test('several diffs in the parts of a mail are one patch, which is said', (t) => {
  const mail = read(
    inParts(
      'mixed',
      ['text/plain', addsFile('a')],
      ['text/plain; name=b.diff', addsFile('b')],
      ['text/plain', 'x'],
    ),
  );
  t.deepEqual([...mail.files], ['a', 'b']);
  t.deepEqual(mail.notes, ['2 of its parts hold a diff, and are taken as one patch']);
});

test('a line that only begins like the boundary ends no part', async (t) => {
  const mail = inParts('mixed', ['text/plain', `--=_bar\n---\n${addsFile('a', 'whole')}`]);
  t.is((await apply(t, mail)).content.toString(), 'whole\n');
});

test('the name of an attachment may be in pieces', (t) => {
  const type = "application/octet-stream; name*0*=utf-8''0001%2Da; name*1=.patch";
  t.true(read(inParts('mixed', ['text/plain', 'Why.'], [type, addsFile('a')])).hasDiff);
});

test('a mail without a diff says what it holds instead', (t) => {
  const inner = madeMail({ subject: '[PATCH] inner' });
  const why = (mail: string) => {
    const { hasDiff, whyNone } = read(mail);
    return hasDiff ? 'a diff' : whyNone;
  };
  const mails = 'other mails, which are not read: save each by itself';
  t.is(why(inParts('alternative', ['text/html', `<pre>${addsFile('a')}`])), 'no diff in it, only HTML');
  t.is(
    why(inParts('mixed', ['text/plain', 'see'], ['message/rfc822', inner])),
    `no diff in it, but ${mails}`,
  );
  t.is(why(inParts('digest', ['', `\n${inner}`])), `no diff in it, but ${mails}`);
  t.is(
    why(inParts('encrypted', ['application/pgp-encrypted', 'Version: 1'])),
    'no diff in it, it is encrypted',
  );
  t.is(why(inParts('mixed', ['text/plain', 'see'])), 'no diff in it');
});

test('a text that holds several mails is none of them', (t) => {
  const one = madeMail({ subject: '[PATCH] one' });
  const two = madeMail({ subject: '[PATCH] two', id: 'two' });
  const digest = madeMail({
    subject: 'list Digest, Vol 1, Issue 2',
    body: `Today:\n\n   1. one\n\n${'-'.repeat(70)}\n\nMessage: 1\n${one}\n${'-'.repeat(30)}\n\nMessage: 2\n${two}`,
  });
  for (const text of [
    one + two,
    `From nobody\n${one}\nFrom nobody\n${two}`,
    digest,
    digest.replaceAll(/^Date: .*\n/gm, ''),
  ])
    t.is(read(text).unreadable, 'several mails in one, with no line "From …" between them as in an mbox');
  const quoted = 'From: Bob\nSent: today\nSubject: [PATCH] one\nDate: today\n\nFine.\n';
  for (const text of [
    one,
    `${one}\n${quoted}`,
    madeMail({ subject: '[PATCH] x', body: `${quoted}${addsFile('a')}` }),
  ])
    t.is(read(text).unreadable, null);
});

test('a patch that is attached applies; other attachments are ignored', async (t) => {
  const headers = ['MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary="=_b"'];
  const part = (type: string, text: string) => `--=_b\nContent-Type: ${type}\n\n${text}\n`;
  const body = [
    'This is a mail in parts.\n',
    part('text/plain; charset=utf-8', 'Why.\n'),
    part('text/html', '<b>diff --git a/x b/x</b>'),
    part('application/octet-stream; name="config.gz"', 'xx'),
    part('text/plain; name="log.txt"', 'dmesg'),
    part('text/x-patch; name="a.patch"', addsFile('a', 'attached')),
    '--=_b--\n',
  ].join('');
  const { log, content } = await apply(t, madeMail({ subject: '[PATCH] lib: a', headers, body }));
  t.is(content.toString(), 'attached\n');
  t.regex(log, /Why\./);
  t.false(log.includes('dmesg'));
});

test('headers are decoded: folded, in words of several charsets, and raw', (t) => {
  t.is(decodeWords('=?UTF-8?q?K=C3=B6?= =?utf-8?B?bG4=?= x'), 'Köln x');
  t.is(decodeWords('=?utf-8?q?K=C3?= =?utf-8?q?=B6ln?='), 'Köln');
  t.is(decodeWords('=?iso-8859-1?q?K=F6ln?='), 'Köln');
  t.is(decodeWords('=?y?q?K=C3=B6ln?='), 'Köln');
  t.is(decodeWords('=?UTF-8?q?broken'), '=?UTF-8?q?broken');
  const mail = read('Subject: =?utf-8?q?=5BPATCH?=\n =?utf-8?q?_1/2=5D?= lib:\n\ta\n\n');
  t.is(mail.subject.text, '[PATCH 1/2] lib: a');
  t.is(mail.subject.number, 1);
});

test('Message-IDs are found with and without brackets, comments and folds', (t) => {
  const mail = read(
    'Message-ID:\n <a@b>\nIn-Reply-To: <c@d> (Ann\'s message of "today")\nReferences: <e@f>\n\t<c@d> <a@b>\nFrom: x\n\n',
  );
  t.is(mail.messageId, 'a@b');
  t.deepEqual(mail.parents, ['c@d', 'e@f']);
  t.is(read('message-id: a@b\nfrom: x\n\n').messageId, 'a@b');
});

test('a bare diff is a patch, although it has no headers', async (t) => {
  const { content } = await apply(t, addsFile('a', 'bare'));
  t.is(content.toString(), 'bare\n');
});

test('a mail with NULs, or with lines of an mbox in its message, applies', async (t) => {
  const mail = adds('int a;', []).replace('Why:', 'W\0hy:\nFrom x@y Thu Jan  1 00:00:00 1970\n\n');
  const { log, content } = await apply(t, mail);
  t.is(content.toString(), 'int a;\n');
  t.regex(log, /^>From x@y/m);
});

test('a diff begins with --- and +++, not with --- alone', (t) => {
  const has = (body: string) => read(madeMail({ subject: '[PATCH] a', body })).hasDiff;
  t.false(has('strace:\n--- SIGCHLD {si_signo=SIGCHLD} ---\nexit(0)\n'));
  t.false(has('> diff --git a/x b/x\n> --- a/x\n> +++ b/x\n'));
  t.false(has(' a | 1 +\n 1 file changed, 1 insertion(+)\n'));
  t.true(has('--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n'));
  t.true(has('diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n'));
});

test('forged mails are read, each in less than seconds', (t) => {
  const begun = processorTime();
  const boundary = (depth: number) => `Content-Type: multipart/mixed; boundary=b${depth}\n\n--b${depth}\n`;
  const forged = [
    '',
    '\0'.repeat(1_000_000),
    'Subject: '.repeat(200_000),
    `Subject: ${'[PATCH '.repeat(100_000)}\n\n`,
    `From: x\n${'X: y\n'.repeat(300_000)}\n`,
    `From: x\nSubject: ${'=?utf-8?q?a?= '.repeat(50_000)}\n\n`,
    `From: x\nReferences: ${'<a@b> '.repeat(100_000)}\n\n`,
    `From: x\nContent-Transfer-Encoding: quoted-printable\n\n${' '.repeat(1_000_000)}x`,
    `From: x\nContent-Type: multipart/mixed; boundary=b\n\n${'--b\nContent-Type: text/plain\n\nx\n'.repeat(50_000)}`,
    `From: x\n${Array.from({ length: 500 }, (_, depth) => boundary(depth)).join('')}`,
    `From: x\nContent-Type: multipart/mixed; boundary=""\n\n--\n`,
    `From: x\n\n${'@@ -1,999999999 +1,999999999 @@\n'.repeat(10_000)}`,
    `From: x\nContent-Type: text/plain; format=flowed\n\ndiff --git a/x b/x\n${' \n'.repeat(500_000)}`,
    `From: x\n\n${'--- a\n'.repeat(300_000)}`,
    `From: x\n\n${'diff --git a/'.repeat(100_000)}`,
    `From: x\n\n${'diff --git a/x b/x b/x '.repeat(50_000)}`,
    `From: ${'<'.repeat(500_000)}\nMessage-ID: ${'<'.repeat(500_000)}\n\n`,
  ];
  for (const text of forged) {
    const start = processorTime();
    read(text);
    const took = processorTime() - start;
    t.true(took < 20_000, `${text.slice(0, 60)}: ${took} ms`);
  }
  t.true(processorTime() - begun < 60_000);
});
