// SPDX-License-Identifier: MIT
// Connects a guest's console to its user: a person at a terminal, or commands in a pipe.
import type { Readable, Writable } from 'node:stream';
import type { ReadStream } from 'node:tty';

/** The shell's, as the agent sets it (images/agent/shell.c). */
const prompt = 'guest# ';
const ctrlD = '\x04';

/** Both ends as the host sees them: what the guest prints, and what is typed. */
export type Console = { screen: Readable; keyboard: Writable };

/**
 * Type commands from a pipe. They wait for the shell's prompt: a serial port that nobody reads yet loses what comes.
 * After the last one comes Ctrl-D, and once more with each further prompt: typed ahead of a program that sets up
 * the terminal, it may lose its meaning.
 */
export function typeCommands(commands: Readable, { screen, keyboard }: Console): void {
  const prompts = new PromptFinder();
  let state: 'booting' | 'typing' | 'ending' = 'booting';
  const end = () => {
    state = 'ending';
    if (keyboard.writable) keyboard.write(ctrlD);
  };
  keyboard.on('error', () => {}); // the guest is gone, as its exit tells
  screen.on('data', (chunk: Buffer) => {
    if (!prompts.isIn(chunk)) return;
    if (state === 'booting') {
      state = 'typing';
      commands.once('end', end);
      commands.pipe(keyboard, { end: false });
    } else if (state === 'ending') end();
  });
}

/** Every key of a terminal goes to the guest, Ctrl-C too, until this is disposed. */
export function typeKeys(terminal: ReadStream, { keyboard }: Console): Disposable {
  keyboard.on('error', () => {});
  terminal.setRawMode(true);
  terminal.pipe(keyboard, { end: false });
  return {
    [Symbol.dispose]: () => {
      terminal.unpipe(keyboard).pause();
      terminal.setRawMode(false);
    },
  };
}

/** Finds the prompt in what comes in pieces. */
export class PromptFinder {
  #tail = '';

  /** Whether a prompt ends in this chunk. */
  isIn(chunk: Buffer): boolean {
    const text = this.#tail + chunk.toString('latin1');
    this.#tail = text.slice(1 - prompt.length);
    return text.includes(prompt);
  }
}
