// SPDX-License-Identifier: MIT
// Templates in the cache: made on first use, found again by a key of their contents, removed when they fail.
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseConsole } from '../channel/kmsg.ts';
import type { Context } from '../context.ts';
import { asKilnError, KilnError } from '../errors.ts';
import { bootId } from '../guest/kvm.ts';
import { guestArgv, type Machine } from '../guest/qemu.ts';
import { qemuVersion } from '../guest/qemuVersion.ts';
import { describeLoad, mayBeHosts } from '../results/timing.ts';
import { findSplats, type Splat } from '../splat/find.ts';
import { budgets, evict, markUsed } from '../util/cache.ts';
import { aside, makeDirectory } from '../util/files.ts';
import { contentKey } from '../util/hash.ts';
import { lock } from '../util/lock.ts';
import { asEmulated, describeDifference } from './accelerators.ts';
import {
  type BootLogs,
  BootLost,
  makeTemplate,
  openTemplate,
  SetUpFailed,
  type Template,
} from './template.ts';

/** Raised when a template that an older Kiln has made would not do any more. */
const layout = 'template 4';

/**
 * The templates of one run. A machine that can't be frozen is booted for every test, and a note says why; a kernel
 * that does not boot is no such case: get() throws BootLost.
 */
export class Templates implements AsyncDisposable {
  readonly #bootTimeout: number;
  readonly #makeTemplate: typeof makeTemplate;
  readonly #known = new Map<string, Promise<Template | null>>();
  readonly #remade = new Set<string>();
  readonly #bootedFromNowOn = new Set<string>();
  /** Kernels with what they said at boot under KVM, which TCG was tried for. */
  readonly #compared = new Set<string>();
  readonly #opened = new AsyncDisposableStack();
  #version: Promise<string> | undefined;

  /** @param bootTimeout milliseconds */
  constructor(bootTimeout: number, make = makeTemplate) {
    this.#bootTimeout = bootTimeout;
    this.#makeTemplate = make;
  }

  /** The machine's template, from the cache or made now; null if there is none to be had. */
  async get(machine: Machine, context: Context): Promise<Template | null> {
    const key = await this.#key(machine, context.signal);
    const known = this.#known.get(key) ?? this.#findOrMake(key, machine, context);
    this.#known.set(key, known);
    return known;
  }

  /** A template that did not restore is made once more; the second time its machine is booted from then on. */
  async failed(template: Template, machine: Machine, cause: unknown, context: Context): Promise<void> {
    const key = await this.#key(machine, context.signal);
    const known = this.#known.get(key);
    // Several forks may fail at once: only the first makes the template again.
    if ((await known) !== template || this.#known.get(key) !== known) return;
    const again = this.#remade.has(key)
      ? Promise.resolve(giveUp(cause, context))
      : this.#remake(key, machine, cause, context);
    this.#known.set(key, again);
    await again;
  }

  /**
   * A fork died for want of room: where the memory is in a tmpfs, so is each page of it that a fork is the first to
   * touch. The machine is booted from then on.
   */
  async bootFromNowOn(machine: Machine, context: Context): Promise<void> {
    const key = await this.#key(machine, context.signal);
    if (this.#bootedFromNowOn.has(key)) return;
    this.#bootedFromNowOn.add(key);
    const cause = new KilnError('infrastructure', 'the file system that holds the cache is full');
    this.#known.set(key, Promise.resolve(giveUp(cause, context)));
  }

  /** The template's key: everything that must be the same when QEMU restores it. */
  async #key(machine: Machine, signal: AbortSignal): Promise<string> {
    const argv = guestArgv(machine, '', { how: 'template', memory: '' });
    this.#version ??= qemuVersion(signal);
    // With KVM the guest has seen the host's processor, its microcode and what the host's kernel offers.
    const host = machine.accelerator === 'kvm' ? await bootId() : '';
    const { path = '', cwd = '' } = machine.setUp ?? {};
    return contentKey(layout, argv.join('\0'), await this.#version, host, path, cwd);
  }

  async #findOrMake(key: string, machine: Machine, context: Context): Promise<Template | null> {
    const { cache, signal } = context;
    const dir = join(cache, 'templates', key);
    const onWait = () => context.note('info', 'another run is freezing the same guest: waiting for it');
    await using _lock = await lock(join(cache, 'locks', `template-${key}`), { signal, onWait });
    try {
      const found = await this.#open(dir);
      if (found) return found;
      return await this.#make(dir, machine, context).catch((error) => {
        if (isFinal(error, context)) throw error;
        return this.#make(dir, machine, context);
      });
    } catch (error) {
      if (isFinal(error, context)) throw error;
      return giveUp(error, context);
    }
  }

  async #open(dir: string): Promise<Template | undefined> {
    const template = await openTemplate(dir);
    if (!template) return undefined;
    this.#opened.use(template);
    await markUsed(dir);
    return template;
  }

  async #make(dir: string, machine: Machine, context: Context): Promise<Template | null> {
    context.progress('booting a guest to fork from');
    await mkdir(join(dir, '..'), { recursive: true });
    const boot = () => this.#bootInto(dir, machine, context.signal);
    const first = await boot().catch((error) => {
      if (error instanceof BootLost) return error;
      throw error;
    });
    let template: Template | null;
    const splats = first ? splatsOf(first.logs) : [];
    if (first && mayBeHosts({ splats }, first.load)) {
      const why = `its boot complained (${splats[0]?.title}) while ${describeLoad(first.load)}`;
      context.note('warn', `a guest to fork from was booted once more: ${why}`);
      template = await boot();
    } else if (first instanceof BootLost) throw first;
    else template = first;
    if (template) await this.#compareAccelerators(template, machine, context);
    // Safe while other runs fork from an evicted template: they have its files open.
    await evict(join(dir, '..'), budgets.templates, dir);
    return template;
  }

  /** If a kernel complains at boot under KVM, look once whether it does under TCG, and say so. */
  async #compareAccelerators(template: Template, machine: Machine, context: Context): Promise<void> {
    const titles = titlesOf(splatsOf(template.logs));
    const key = JSON.stringify([machine.kernel, ...titles]);
    if (titles.length === 0 || machine.accelerator !== 'kvm' || this.#compared.has(key)) return;
    this.#compared.add(key);
    try {
      const emulated = await this.get(await asEmulated(machine, context), context);
      const others = emulated && titlesOf(splatsOf(emulated.logs));
      if (others) context.note(...describeDifference(titles, others));
    } catch (error) {
      context.signal.throwIfAborted();
      context.note(
        'info',
        `whether the boot complains with TCG, too, is unknown: ${asKilnError(error).message}`,
      );
    }
  }

  async #bootInto(dir: string, machine: Machine, signal: AbortSignal): Promise<Template | null> {
    await makeDirectory(dir, (made) => this.#makeTemplate(machine, made, this.#bootTimeout, signal));
    const template = (await this.#open(dir)) ?? null;
    // Good for this run, in which it fails the tests. The next one is to see whether it was chance.
    if (template && titlesOf(splatsOf(template.logs)).length > 0)
      await rm(dir, { recursive: true, force: true });
    return template;
  }

  async #remake(key: string, machine: Machine, cause: unknown, context: Context): Promise<Template | null> {
    this.#remade.add(key);
    context.note('info', `a frozen guest did not come to life (${asKilnError(cause).message}): made anew`);
    const dir = join(context.cache, 'templates', key);
    const gone = aside(dir);
    await rename(dir, gone).catch(() => {});
    await rm(gone, { recursive: true, force: true });
    return this.#findOrMake(key, machine, context);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#opened.disposeAsync();
  }
}

/** Whether an error has a cause other than freezing: an abort, a failed set-up, or a kernel that does not boot. */
function isFinal(error: unknown, { signal }: Context): boolean {
  return signal.aborted || error instanceof SetUpFailed || (error instanceof BootLost && isKernels(error));
}

/** A guest that was lost before its agent came has its log on the console alone. */
function splatsOf({ records, console }: BootLogs): Splat[] {
  return findSplats(records.length > 0 ? records : parseConsole(console));
}

/** Of splats that fail a test. */
function titlesOf(splats: readonly Splat[]): string[] {
  return [...new Set(splats.filter(({ notice }) => !notice).map(({ title }) => title))];
}

function giveUp(cause: unknown, context: Context): null {
  context.note('warn', `guests are booted, not forked: ${asKilnError(cause).message}`);
  return null;
}

/** Whether the kernel is to blame for a guest that did not boot, and not QEMU. */
function isKernels({ loss }: BootLost): boolean {
  if (loss.why === 'stuck') return false;
  if (loss.why !== 'exited') return true;
  return loss.exit.events.some(
    ({ event, data }) => event === 'GUEST_PANICKED' || String(data?.reason ?? '').startsWith('guest-'),
  );
}
