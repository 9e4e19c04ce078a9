// SPDX-License-Identifier: MIT
import test from 'ava';
import { type GuestMessage, MessageReader, maxLine } from './messages.ts';

const hello = {
  type: 'hello',
  seq: 1,
  protocol: 1,
  generation: 0,
  release: '6.12.0 “ö”',
  machine: 'x86_64',
  cmdline: 'console=ttyS0',
  boot_ms: 1500,
  cpus: 2,
  memory_kb: 500_000,
};
const end = {
  type: 'end',
  seq: 4,
  id: 2,
  how: 'exit',
  status: 0,
  ktap: 10,
  kmsg: 20,
  taint: 64,
  duration_ms: 30,
  leftovers: 0,
  settled: true,
  ready: false,
  artifacts: 0,
};
const talk = [
  hello,
  { type: 'begin', seq: 2, id: 2, ktap: 0, kmsg: 9, taint: 0 },
  { type: 'settling', seq: 3, id: 2 },
  end,
  { type: 'waits', seq: 5, id: 3, ktap: 5, kmsg: 9 },
  { type: 'bye', seq: 6 },
];

test('a conversation can go on where another stood still', (t) => {
  const reader = new MessageReader(41);
  t.is(reader.read(Buffer.from(`${JSON.stringify({ type: 'ready', seq: 42, id: 1 })}\n`)).length, 1);
  t.is(reader.seq, 42);
  t.throws(() => reader.read(Buffer.from(`${JSON.stringify({ type: 'ready', seq: 1, id: 1 })}\n`)), {
    message: /message 1 where 43 was due/,
  });
});

test('where it may be replaced, an agent begins anew, also in the middle of a line', (t) => {
  const next = { ...hello, generation: 1 };
  const torn = Buffer.from(JSON.stringify(end).slice(0, 20));
  for (const cut of ['', torn]) {
    const bytes = Buffer.concat([
      lines(...talk),
      Buffer.from(cut),
      Buffer.from('\n'),
      lines(next, { type: 'ready', seq: 2, id: 7 }),
    ]);
    const reader = new MessageReader();
    reader.mayBeReplaced = true;
    t.deepEqual(reader.read(bytes).slice(talk.length), [
      next,
      { type: 'ready', seq: 2, id: 7 },
    ] as GuestMessage[]);
    t.is(reader.seq, 2);
    t.throws(() => new MessageReader().read(bytes), { message: /no JSON/ });
  }
});

test('what is torn is forgiven only if a new agent follows', (t) => {
  const reader = new MessageReader();
  reader.mayBeReplaced = true;
  t.is(reader.read(Buffer.concat([lines(...talk), Buffer.from('{"ty\n')])).length, talk.length);
  t.throws(() => reader.read(lines({ type: 'ready', seq: 7, id: 1 })), { message: /no JSON/ });
  const gap = new MessageReader();
  gap.mayBeReplaced = true;
  gap.read(lines(...talk, { type: 'ready', seq: 9, id: 1 }));
  t.throws(() => gap.read(lines({ type: 'ready', seq: 6, id: 1 })), { message: /message 9 where 7 was due/ });
});

test('every message of the protocol is read as it was sent', (t) => {
  const all = [
    hello,
    { type: 'ready', seq: 2, id: 1 },
    { type: 'alive', seq: 3, uptime_ms: 2000 },
    { type: 'begin', seq: 4, id: 2, ktap: 0, kmsg: 9, taint: 0 },
    { type: 'settling', seq: 5, id: 2 },
    { ...end, seq: 6, how: 'timeout' },
    { type: 'got', seq: 7, id: 3, bytes: 1024, truncated: true },
    { type: 'pong', seq: 8, id: 4, uptime_ms: 3000 },
    { type: 'error', seq: 9, id: 0, message: 'what?' },
    { type: 'bye', seq: 10 },
  ];
  t.deepEqual(new MessageReader().read(lines(...all)), all as GuestMessage[]);
});

test('chunks may be cut anywhere, also inside a character', (t) => {
  const bytes = lines(...talk);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const reader = new MessageReader();
    const messages = [...reader.read(bytes.subarray(0, cut)), ...reader.read(bytes.subarray(cut))];
    t.deepEqual(messages, talk as GuestMessage[]);
  }
  const reader = new MessageReader();
  t.deepEqual(
    [...bytes].flatMap((byte) => reader.read(Buffer.of(byte))),
    talk as GuestMessage[],
  );
});

test('a field that is not known yet is no mistake', (t) => {
  t.deepEqual(new MessageReader().read(lines({ type: 'bye', seq: 1, mood: 'good' })), [
    { type: 'bye', seq: 1 },
  ]);
});

test('a gap, a repetition or a wrong start of the sequence is a broken channel', (t) => {
  const bye = (seq: number) => ({ type: 'bye', seq });
  const broken = (message: string, ...all: object[]) =>
    t.throws(() => new MessageReader().read(lines(...all)), { message });
  broken('it sent message 3 where 2 was due', bye(1), bye(3));
  broken('it sent message 1 where 2 was due', bye(1), bye(1));
  broken('it sent message 0 where 1 was due', bye(0));
  broken('it sent message 2 where 1 was due', bye(2));
});

for (const [what, line] of [
  ['words', 'hello there'],
  ['nothing', ''],
  ['half an object', '{"type":"bye"'],
  ['two objects', '{"type":"bye","seq":1}{}'],
  ['bytes', '\xff\0\x01'],
] as const) {
  test(`${what} is no JSON`, (t) => {
    t.throws(() => new MessageReader().read(Buffer.from(`${line}\n`, 'latin1')), { message: /no JSON/ });
  });
}

for (const [what, message] of [
  ['null', null],
  ['a number', 5],
  ['a list', []],
  ['an unknown type', { type: 'attack', seq: 1 }],
  ['no type', { seq: 1 }],
  ['no sequence number', { type: 'bye' }],
  ['a negative number', { type: 'pong', seq: 1, id: -1, uptime_ms: 1 }],
  ['a fraction', { type: 'pong', seq: 1, id: 1.5, uptime_ms: 1 }],
  ['a number as text', { type: 'pong', seq: 1, id: '1', uptime_ms: 1 }],
  ['a number beyond integers', { type: 'pong', seq: 1, id: 1e300, uptime_ms: 1 }],
  ['a missing field', { type: 'got', seq: 1, id: 1, bytes: 5 }],
  ['an unknown end', { ...end, seq: 1, how: 'magic' }],
] as const) {
  test(`${what} is no message`, (t) => {
    t.throws(() => new MessageReader().read(lines(message)), { message: /the protocol does not know/ });
  });
}

test('a line of 65,536 bytes with its newline is taken, a longer one is not', (t) => {
  const message = (length: number) => {
    const empty = JSON.stringify({ type: 'error', seq: 1, id: 0, message: '' }).length + 1;
    return lines({ type: 'error', seq: 1, id: 0, message: 'x'.repeat(length - empty) });
  };
  t.is(message(maxLine).length, 65_536);
  t.is(new MessageReader().read(message(maxLine)).length, 1);
  t.throws(() => new MessageReader().read(message(maxLine + 1)), { message: /too long/ });
});

test('a line without an end is noticed before it fills the memory', (t) => {
  const reader = new MessageReader();
  const chunk = Buffer.alloc(4096, 'x');
  t.throws(
    () => {
      for (let i = 0; i < 1000; i++) reader.read(chunk);
    },
    { message: /too long/ },
  );
});

function lines(...messages: unknown[]): Buffer {
  return Buffer.from(messages.map((message) => `${JSON.stringify(message)}\n`).join(''));
}
