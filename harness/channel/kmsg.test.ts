// SPDX-License-Identifier: MIT
import test from 'ava';
import { KmsgParser, parseConsole, parseKmsg } from './kmsg.ts';

test('a record of the kernel', (t) => {
  t.deepEqual(parseKmsg('4,1042,5170211,-;WARNING: CPU: 0 PID: 1 at fs/x.c:1 f+0x1/0x2\n'), [
    { level: 4, facility: 0, seq: 1042, usec: 5170211, text: 'WARNING: CPU: 0 PID: 1 at fs/x.c:1 f+0x1/0x2' },
  ]);
});

test('a record of a process keeps its facility', (t) => {
  const [record] = parseKmsg('12,7,100,-;Kernel panic - not syncing: forged\n');
  t.is(record?.facility, 1);
  t.is(record?.level, 4);
});

test('the caller and unknown further fields', (t) => {
  t.is(parseKmsg('6,1,2,-,caller=T45;x\n')[0]?.caller, 'T45');
  t.is(parseKmsg('6,1,2,c,caller=C1,new=field;x\n')[0]?.caller, 'C1');
  t.false('caller' in (parseKmsg('6,1,2,-;x, caller=T1\n')[0] ?? {}));
});

test('device lines after a record are not text', (t) => {
  const text =
    '6,339,5140900,-;NET: Registered PF_INET\n SUBSYSTEM=net\n DEVICE=+pci:0000:00:01.0\n6,340,5690716,-;next\n';
  t.deepEqual(
    parseKmsg(text).map((record) => record.text),
    ['NET: Registered PF_INET', 'next'],
  );
});

test('escapes: line ends, backslashes, UTF-8', (t) => {
  t.is(parseKmsg('6,1,2,-;one\\x0atwo\\x5cx0a \\xc3\\xbc\n')[0]?.text, 'one\ntwo\\x0a ü');
});

test('semicolons and commas in the text', (t) => {
  t.is(parseKmsg('6,1,2,-;a;b,c;\n')[0]?.text, 'a;b,c;');
});

test('records are the same however the bytes are cut into chunks', (t) => {
  const bytes = Buffer.from('6,1,10,-;one\n A=b\n6,2,20,-;two\\x0athree\n6,3,30,-;unended');
  const whole = parseKmsg(bytes);
  t.is(whole.length, 3);
  for (let size = 1; size < bytes.length; size++) {
    const parser = new KmsgParser();
    const records = [];
    for (let at = 0; at < bytes.length; at += size) {
      records.push(...parser.write(bytes.subarray(at, at + size)));
    }
    t.deepEqual([...records, ...parser.end()], whole);
  }
});

test('lost records, broken lines and cut lines are counted', (t) => {
  const parser = new KmsgParser(64);
  parser.write(`6,1,1,-;a\n6,5,1,-;b\nno record\n6,6,1,-;${'x'.repeat(100)}\n`);
  t.deepEqual([parser.lost, parser.malformed, parser.cut], [3, 1, 1]);
});

test('console lines with and without time and caller', (t) => {
  const [a, b, c, d, e] = parseConsole(
    '[   12.345678] one\n[    1.200000][   T45]   two\n<4>[    0.000001] three\r\nplain [  1.0] four\n[    3.000000] ',
  );
  t.deepEqual(a, { level: 6, facility: 0, seq: null, usec: 12_345_678, text: 'one' });
  t.deepEqual(b, { level: 6, facility: 0, seq: null, usec: 1_200_000, text: '  two', caller: 'T45' });
  t.is(c?.level, 4);
  t.is(c?.text, 'three');
  t.is(d?.text, 'plain [  1.0] four');
  t.is(e?.text, '');
});

test('a console line behind text without a line end is one of its own', (t) => {
  const texts = (text: string) => parseConsole(text).map((record) => record.text);
  t.deepEqual(texts('login: [   12.345678] one\n'), ['login: ', 'one']);
  t.deepEqual(texts('\x1b[0m\r[   12.345678][   T45] one[   13.000000] two\n').slice(1), ['one', 'two']);
  t.deepEqual(texts('<4>[   12.345678] one [1.0] [ 2.5] [12345678.1] two\n'), [
    'one [1.0] [ 2.5] [12345678.1] two',
  ]);
});
