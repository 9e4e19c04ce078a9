// SPDX-License-Identifier: MIT
// `kiln shell --fork`: the machine's template is thawed, and the agent that waits in it is asked for a shell.
import { nobody, type Session } from '../channel/session.ts';
import { type Context, cacheDirectory } from '../context.ts';
import { KilnError } from '../errors.ts';
import type { GuestExit } from '../guest/guest.ts';
import { machineFor } from '../guest/qemu.ts';
import type { Built } from '../job/built.ts';
import { limits } from '../limits.ts';
import { type Lease, Pool } from '../pool/pool.ts';
import { useCache } from '../util/cache.ts';
import { typeCommands, typeKeys } from './console.ts';

/** Bytes of the console's end that are shown of a guest that did not come up. */
const evidence = 4096;

/** A guest that can't be forked is booted, and stderr says why. */
export async function forkShell(built: Built, signal: AbortSignal): Promise<GuestExit> {
  const machine = machineFor({}, built, 'loglevel=4');
  const context = contextOf(signal);
  await using pool = new Pool(1, machine.memory);
  const seen: Buffer[] = [];
  const listener = { ...nobody, console: (chunk: Buffer) => void seen.push(chunk) };
  const lodge = async () => {
    await using _cache = await useCache(context.cache, signal);
    return await pool.acquire(machine, 'fork', listener, context);
  };
  using lease = await lodge();
  lease.session?.tell(nobody);
  if (lease.guest) return await use(lease);
  throw new KilnError('infrastructure', `the guest was lost while it booted (${lease.loss.why})`, {
    details: { output: Buffer.concat(seen).subarray(-evidence).toString() },
  });
}

function contextOf(signal: AbortSignal): Context {
  const say = (text: string) => void process.stderr.write(`kiln: ${text}\n`);
  return { cache: cacheDirectory(), signal, progress: say, note: (_, text) => say(text) };
}

async function use({ guest, session }: Lease & { guest: object }): Promise<GuestExit> {
  process.stderr.write('kiln: `exit` or Ctrl-D powers the guest off\n');
  const ends = { screen: guest.console, keyboard: guest.keyboard };
  guest.console.pipe(process.stdout, { end: false });
  if (!process.stdin.isTTY) typeCommands(process.stdin, ends);
  using _window = await keepWindow(session);
  await obey(session.shell(limits.answer));
  using _keys = process.stdin.isTTY ? typeKeys(process.stdin, ends) : null;
  const exit = await guest.exited;
  process.stdin.pause();
  return exit;
}

/** The guest's window is as large as the terminal, from now on. */
async function keepWindow(session: Session): Promise<Disposable | null> {
  const { stdout } = process;
  if (!stdout.isTTY) return null;
  const tell = () => session.window(stdout, limits.answer);
  await obey(tell());
  const onResize = () => void tell();
  stdout.on('resize', onResize);
  return { [Symbol.dispose]: () => stdout.off('resize', onResize) };
}

async function obey(answer: Promise<string | null>): Promise<void> {
  const trouble = await answer;
  if (trouble) throw new KilnError('infrastructure', `the guest starts no shell: ${trouble}`);
}
