// SPDX-License-Identifier: MIT
import { PassThrough } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { PromptFinder, typeCommands } from './console.ts';

const ctrlD = '\x04';

/** A console whose guest is the test. */
function open() {
  const [commands, screen, keyboard] = [new PassThrough(), new PassThrough(), new PassThrough()];
  typeCommands(commands, { screen, keyboard });
  /** What the guest prints. */
  const print = async (text: string) => {
    screen.write(text);
    await settle();
  };
  /** What has been typed since the last time. */
  const typed = () => String(keyboard.read() ?? '');
  return { commands, print, typed };
}

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await setImmediate();
}

test('commands wait for the prompt, and Ctrl-D follows the last', async (t) => {
  const { commands, print, typed } = open();
  commands.end('uname -r\n');
  await print('[    0.000000] Linux version\n');
  t.is(typed(), '');
  await print('guest# ');
  t.is(typed(), `uname -r\n${ctrlD}`);
});

test('a pipe that stays open is typed as it comes, with no Ctrl-D', async (t) => {
  const { commands, print, typed } = open();
  await print('guest# ');
  commands.write('one\n');
  await settle();
  t.is(typed(), 'one\n');
  await print('one\r\nguest# ');
  t.is(typed(), '');
  commands.write('two\n');
  await settle();
  t.is(typed(), 'two\n');
});

test('a shell that asks for more after the last command is told again that there is none', async (t) => {
  const { commands, print, typed } = open();
  commands.end('sleep 1\n');
  await print('guest# ');
  t.is(typed(), `sleep 1\n${ctrlD}`);
  await print('sleep 1\r\n');
  t.is(typed(), '');
  await print('guest# ');
  t.is(typed(), ctrlD);
});

test('an empty pipe ends the shell at its first prompt', async (t) => {
  const { commands, print, typed } = open();
  commands.end();
  await print('guest# ');
  t.is(typed(), ctrlD);
});

test('a prompt is found however it is cut, and counts once', (t) => {
  const text = 'Linux 6.12\r\nguest# ls\r\nguest# ';
  for (let cut = 0; cut <= text.length; cut++) {
    const finder = new PromptFinder();
    const found = [text.slice(0, cut), text.slice(cut)].map((part) => finder.isIn(Buffer.from(part)));
    t.true(found.includes(true), `cut at ${cut}`);
    t.false(finder.isIn(Buffer.from(' ')), `cut at ${cut}`);
  }
  const finder = new PromptFinder();
  const bytes = [...text].map((byte) => finder.isIn(Buffer.from(byte)));
  t.is(bytes.filter(Boolean).length, 2);
});
