// SPDX-License-Identifier: MIT
import test from 'ava';
import type { KilnError } from '../errors.ts';
import { describeLacking, expansionRequest, findLacking, readExpansion } from './features.ts';

const { signal } = new AbortController();
const max = { name: 'tcg', cpu: 'max' } as const;

test('the processor that QEMU emulates has SVM and five levels of page tables', async (t) => {
  t.deepEqual(await findLacking(max, ['la57', 'svm|vmx', 'svm'], signal), []);
});

test('what a processor has not is named once, in the form of the settings', async (t) => {
  t.deepEqual(await findLacking(max, ['vmx', 'la57', 'vmx'], signal), ['vmx']);
  const small = { name: 'tcg', cpu: 'max,-la57,-svm' } as const;
  t.deepEqual(await findLacking(small, ['la57', 'svm|vmx', 'nx'], signal), ['la57', 'svm|vmx']);
});

test('QEMU is not asked if no test needs anything', async (t) => {
  t.deepEqual(await findLacking({ name: 'tcg', cpu: 'no such model' }, [], signal), []);
});

test('a feature that QEMU does not know is an error: its test would never run', async (t) => {
  const error = await t.throwsAsync<KilnError>(findLacking(max, ['la57|la75'], signal));
  t.is(error.code, 'bad-input');
  t.regex(error.message, /needs_cpu=la75: QEMU knows no such feature/);
});

test('a CPU model that QEMU does not know is an infrastructure error', async (t) => {
  const unknown = findLacking({ name: 'tcg', cpu: 'no such model' }, ['la57'], signal);
  t.is((await t.throwsAsync<KilnError>(unknown)).code, 'infrastructure');
});

test('flags of -cpu are properties of the model', (t) => {
  const [, query] = expansionRequest('max,-cx16,+la57').trim().split('\n');
  t.deepEqual(JSON.parse(query!).arguments.model, { name: 'max', props: { cx16: false, la57: true } });
});

test('only what is on or off is a feature', (t) => {
  const props = { la57: true, svm: false, level: 13, vendor: 'AuthenticAMD' };
  const answers = [
    { QMP: {} },
    { return: {} },
    { return: { model: { name: 'max', props } }, id: 'features' },
  ];
  const text = answers.map((answer) => `${JSON.stringify(answer)}\r\n`).join('');
  t.deepEqual(
    [...readExpansion(text)],
    [
      ['la57', true],
      ['svm', false],
    ],
  );
});

test('under KVM the note says how a host gives virtualization to guests', (t) => {
  t.is(describeLacking(max, ['la57'], 1), "1 test skipped: the guests' processor (max) has no la57");
  const host = { name: 'kvm', cpu: 'host' } as const;
  t.is(
    describeLacking(host, ['svm|vmx'], 3),
    "3 tests skipped: the guests' processor (host) has no svm|vmx; for KVM in guests: load kvm_intel or kvm_amd with nested=1",
  );
});
