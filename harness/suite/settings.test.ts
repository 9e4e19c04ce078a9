// SPDX-License-Identifier: MIT
import test from 'ava';
import { KilnError } from '../errors.ts';
import { parseSettings, parseSettingsFile } from './settings.ts';

test('an empty file asks for nothing', (t) => {
  t.deepEqual(parseSettings('', 'settings'), {});
  t.deepEqual(parseSettings('\n  \n# only a comment\n', 'settings'), {});
});

test('every key is read, with spaces, CRLF and comments around', (t) => {
  const text =
    '# seconds\r\n timeout = 90\r\nmemory=1G\r\n\r\ncpus=4\r\n#cpus=8\ncmdline= loglevel=3 quiet x=y ';
  t.deepEqual(parseSettings(text, 'settings'), {
    timeout: 90,
    memory: 1024,
    cpus: 4,
    cmdline: 'loglevel=3 quiet x=y',
  });
});

test('memory is in MiB unless it says G', (t) => {
  const memory = (value: string) => parseSettings(`memory=${value}`, 'settings').memory;
  t.deepEqual(['64', '512M', '512m', '2G', '2g', '1024G'].map(memory), [64, 512, 512, 2048, 2048, 1_048_576]);
});

test('expect_splat may stand several times; a section has only its own', (t) => {
  const text = 'expect_splat=^WARNING in f$\nexpect_splat=^BUG: x=1\n[one]\nexpect_splat=^INFO\n[other]\n';
  const { settings, sections } = parseSettingsFile(text, 'x.settings');
  t.deepEqual(settings.expect_splat, [/^WARNING in f$/, /^BUG: x=1/]);
  t.deepEqual(
    sections.map((section) => section.settings.expect_splat),
    [[/^INFO/], undefined],
  );
});

test('needs_cpu may stand several times; | separates what is enough', (t) => {
  t.deepEqual(parseSettings('needs_cpu=la57\nneeds_cpu=svm|vmx\n', 'settings').needs_cpu, [
    'la57',
    'svm|vmx',
  ]);
});

test('a key that stands twice has its last value', (t) => {
  t.is(parseSettings('timeout=1\ntimeout=2\n', 'settings').timeout, 2);
  t.is(parseSettings('timeout=0', 'settings').timeout, 86_400);
});

for (const [line, problem] of [
  ['timeout', /"timeout" is not key=value/],
  ['=5', /"=5" is not key=value/],
  ['timeout=', /timeout= is not a whole number from 0 to 86400/],
  ['timeout=86401', /not a whole number from 0 to 86400/],
  ['timeout=1.5', /timeout=1.5 is not/],
  ['timeout=-1', /timeout=-1 is not/],
  ['timeout=1e3', /timeout=1e3 is not/],
  ['timeout=60 # a minute', /is not a whole number/],
  ['cpus=0', /cpus=0 is not a whole number from 1 to 255/],
  ['cpus=256', /from 1 to 255/],
  ['memory=63', /memory=63 is not a size from 64M to 1024G/],
  ['memory=1025G', /not a size/],
  ['memory=1T', /not a size/],
  ['memory=', /not a size/],
  ['needs_cpu=', /needs_cpu= is no feature of a processor/],
  ['needs_cpu=svm vmx', /needs_cpu=svm vmx is no feature/],
  ['needs_cpu=svm|', /is no feature/],
  ['isolation=guest', /isolation=guest is none of test, case, suite, boot/],
  [
    'Timeout=5',
    /unknown key "Timeout" \(known: timeout, memory, cpus, cmdline, isolation, needs_cpu, kernel, generations, expect_splat\)/,
  ],
  ['expect_splat=', /expect_splat= is empty/],
  ['expect_splat=BUG: (', /is no regular expression: /],
  ['generations=0', /generations=0 is not a whole number from 1 to 10000/],
  ['kernel=zImage', /kernel=zImage is none of vmlinux, bzImage/],
  [`cmdline=${'é'.repeat(513)}`, /longer than 1,024 bytes/],
] as const) {
  test(`refused, with its place: ${line.slice(0, 30)}`, (t) => {
    const error = t.throws(() => parseSettings(`# first\n${line}\n`, 'suite/settings'), {
      instanceOf: KilnError,
    });
    t.is(error.code, 'bad-input');
    t.regex(error.message, problem);
    t.true(error.message.startsWith('suite/settings:2: '));
  });
}

test('what shares a guest', (t) => {
  t.deepEqual(parseSettings('isolation=case\n', 'settings'), { isolation: 'case' });
});

test('a command line of exactly 1,024 bytes is taken', (t) => {
  t.is(parseSettings(`cmdline=${'x'.repeat(1024)}`, 'settings').cmdline?.length, 1024);
});

test('sections have only their own keys, in their order', (t) => {
  const text = 'cpus=1\n[four]\ncpus=4\n# five levels\n [ five ]\n';
  t.throws(() => parseSettingsFile(text, 'a.settings'), {
    message: /^a.settings:5: "\[ five \]" is not \[name\]/,
  });
  t.deepEqual(
    parseSettingsFile('cpus=1\n[four]\ncpus=4\n[five]\nkernel=bzImage\nmemory=1G\n', 'a.settings'),
    {
      settings: { cpus: 1 },
      sections: [
        { name: 'four', settings: { cpus: 4 } },
        { name: 'five', settings: { kernel: 'bzImage', memory: 1024 } },
      ],
    },
  );
});

test('a section stands once, and not in the settings of a suite', (t) => {
  const twice = t.throws(() => parseSettingsFile('[a]\n[b]\n[a]\n', 'x.settings'), { instanceOf: KilnError });
  t.is(twice.message, 'x.settings:3: there is a [a] already');
  const suite = t.throws(() => parseSettings('cpus=1\n[a]\n', 'settings'), { instanceOf: KilnError });
  t.regex(suite.message, /\[a\]: sections are for a test's own settings/);
});
