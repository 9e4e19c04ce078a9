// SPDX-License-Identifier: MIT
// Passes the output of one guest to log files and parsers, within limits.
import { join } from 'node:path';
import { type KmsgRecord, parseConsole } from '../channel/kmsg.ts';
import type { TestRun } from '../channel/session.ts';
import { KtapParser, type KtapResult } from '../ktap/parser.ts';
import type { SplatResult } from '../schema.ts';
import { findSplats, type Splat } from '../splat/find.ts';
import { unexplainedTaint } from '../splat/taint.ts';
import { BoundedLog } from '../util/boundedLog.ts';

/** File names in a guest's directory. */
export const logFiles = {
  console: 'console.log',
  kmsg: 'kernel.log',
  output: 'output.log',
  hang: 'hang.txt',
};

/**
 * Records that are searched for splats. Of a kernel that logs more, half are the first ones and half the
 * last.
 */
const maxRecords = 100_000;
/** What the agent writes to the kernel log before it powers off (images/agent/log.c). */
const farewell = 'kiln-agent: powering off';
/** What the agent writes to the console when it gives up because of an error. */
const agentFatal = /^kiln-agent: fatal: ([^\r\n]{1,500})/gm;
/** The first line of a kernel on the console begins with this. */
const firstWords = 'Linux version ';
/** Splats that are stored for one guest: further ones are mostly repetitions. */
const maxSplats = 100;
/** Bytes of the console's end that are searched when the guest was lost. */
const maxConsole = 1024 * 1024;

/** Collects the output of one guest. `close` finishes the log files. */
export class Collector {
  readonly #ktap = new KtapParser();
  readonly #logs: { console: BoundedLog; kmsg: BoundedLog; output: BoundedLog };
  readonly #follows: boolean;
  #records: KmsgRecord[] = [];
  #console: Buffer[] = [];
  #consoleBytes = 0;

  /** @param follows another kernel ran in this guest before, and what it said last is on the console */
  constructor(dir: string, follows = false) {
    this.#follows = follows;
    this.#logs = {
      console: new BoundedLog(join(dir, logFiles.console)),
      kmsg: new BoundedLog(join(dir, logFiles.kmsg)),
      output: new BoundedLog(join(dir, logFiles.output)),
    };
  }

  output = (chunk: Buffer): void => {
    this.#logs.output.write(chunk);
    this.#ktap.write(chunk);
  };

  kernelLog = (chunk: Buffer, records: KmsgRecord[]): void => {
    this.#logs.kmsg.write(chunk);
    this.#records.push(...records);
    if (this.#records.length > maxRecords)
      this.#records.splice(maxRecords / 2, this.#records.length - maxRecords);
  };

  console = (chunk: Buffer): void => {
    this.#logs.console.write(chunk);
    this.#console.push(chunk);
    this.#consoleBytes += chunk.length;
    while (this.#console.length > 1 && this.#consoleBytes - this.#console[0]!.length > maxConsole)
      this.#consoleBytes -= this.#console.shift()!.length;
  };

  ktap(): KtapResult {
    return this.#ktap.end();
  }

  /**
   * The kernel's complaints, each with the phase it came in. The log's own channel is the authority; what
   * only the console had time to say (a panic's last lines, the shutdown) is added from there.
   */
  splats(run: TestRun | null, end: 'lost' | 'powered off' | 'dropped'): SplatResult[] {
    const lost = end === 'lost';
    const begin = run?.begin?.kmsg ?? Number.POSITIVE_INFINITY;
    const over = run?.end?.kmsg ?? Number.POSITIVE_INFINITY;
    const phase = ({ seq }: Splat): SplatResult['phase'] =>
      (seq ?? 0) < begin ? 'boot' : (seq ?? 0) < over ? 'test' : 'shutdown';
    const fromLog = findSplats(this.#records).map((splat) => splatResult(splat, phase(splat)));
    // Of a guest that was not asked to power off, a farewell would be the test's own.
    const rest = lost ? this.#consoleText() : end === 'dropped' ? Buffer.alloc(0) : this.#sinceFarewell();
    const late = lost ? (run?.begin ? 'test' : 'boot') : 'shutdown';
    const fromConsole = findSplats(parseConsole(rest)).map((splat) => splatResult(splat, late));
    const before = findSplats(parseConsole(this.#beforeKernel())).map((splat) => splatResult(splat, 'boot'));
    const said = merge(merge(before, fromLog), fromConsole).slice(0, maxSplats);
    const all = [...said, ...unsaid(run, said)];
    // A panic that led to the test's next kernel was the way there; what caused it still counts.
    return run?.next ? all.filter(({ kind }) => kind !== 'panic') : all;
  }

  /**
   * Why the agent of a lost guest gave up, as a list of problems. Any process can print this to the console.
   */
  agentFailure(): string[] {
    const words = [...this.#consoleText().toString().matchAll(agentFatal)].at(-1)?.[1];
    return words ? [`the agent in the guest gave up: ${words}`] : [];
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#logs).map((log) => log.close()));
  }

  /** What the kernel before this one had still to say when its agent was gone. */
  #beforeKernel(): Buffer {
    const text = this.#consoleText();
    return this.#follows ? text.subarray(0, Math.max(0, text.indexOf(firstWords))) : Buffer.alloc(0);
  }

  #consoleText(): Buffer {
    return Buffer.concat(this.#console);
  }

  /**
   * What a killed process wrote may still come before the agent's last word on the console, but not after it.
   */
  #sinceFarewell(): Buffer {
    const text = this.#consoleText();
    const at = text.lastIndexOf(farewell);
    return at < 0 ? Buffer.alloc(0) : text.subarray(at);
  }
}

/** What only the mask tells. Flags of before the test are not its own. */
function unsaid(run: TestRun | null, said: SplatResult[]): SplatResult[] {
  if (!run?.begin || !run.end) return [];
  const own = said.filter(({ phase, notice }) => phase !== 'boot' && !notice);
  return unexplainedTaint(run.begin.taint, run.end.taint, own);
}

function splatResult(splat: Splat, phase: SplatResult['phase']): SplatResult {
  const { lines, seq: _, ...rest } = splat;
  return { ...rest, phase, lines: lines.slice(0, 500) };
}

/** Adds the console's splats to the log's. Of two with one title, the complete one is used. */
function merge(fromLog: SplatResult[], fromConsole: SplatResult[]): SplatResult[] {
  const merged = [...fromLog];
  for (const splat of fromConsole) {
    const index = merged.findIndex(({ title, kind }) => title === splat.title && kind === splat.kind);
    if (index < 0) merged.push(splat);
    else if (merged[index]!.torn && !splat.torn) merged[index] = { ...splat, phase: merged[index]!.phase };
    else if (splat.panic) merged[index]!.panic ??= splat.panic;
  }
  return merged;
}
