// SPDX-License-Identifier: MIT
import type { SplatKind } from '../schema.ts';
import { currentFunction, functionName, guiltyFunction, isMessenger } from './culprit.ts';
import { taintTitle } from './taint.ts';

/**
 * How a splat ends.
 *
 * - `marker`: with `---[ end trace`
 * - `rule`: with a line of `=`
 * - `stack`: with its call trace
 * - `maybe`: with its call trace, if one follows at all
 * - `line`: it is one line
 * - `panic`: with the machine
 * - `verdict`: with a line that matches `last`
 */
export type SplatEnd = 'marker' | 'rule' | 'stack' | 'maybe' | 'line' | 'panic' | 'verdict';

/** How a kind of splat begins and ends, and its title. */
export type SplatPattern = {
  kind: SplatKind;
  end: SplatEnd;
  /** The line that it begins with; a group `task` is the task's command name. */
  start: RegExp;
  /** The line is followed by a WARN() or a BUG() of the same cause. */
  announces?: true;
  /** A WARN() may have such a line as its text. */
  mayBeText?: true;
  /** It is told, and fails no test by itself. */
  notice?: true;
  /** The kernel prints its line again as long as the cause lasts. */
  repeats?: true;
  /** The last line, if `end` is `verdict`. */
  last?: RegExp;
  /** The whole report is of something that a test may well bring about. */
  isInnocent?(lines: readonly string[]): boolean;
  /** The task's name, if the first line does not have it. */
  task?(lines: readonly string[]): string | null;
  /** `lines` is the whole splat; `match` is of its first line that matches `start`. */
  title(match: RegExpExecArray, lines: readonly string[]): string;
};

/** A pattern, and what of a line matched its `start`. */
export type Begun = { pattern: SplatPattern; match: RegExpExecArray };

/** The first pattern whose `start` matches this line. */
export function matchPattern(line: string): Begun | null {
  if (!looksBad.test(line)) {
    return null;
  }
  for (const pattern of splatPatterns) {
    const match = pattern.start.exec(line);
    if (match) {
      return { pattern, match };
    }
  }
  return null;
}

/** Removes from a line what differs from run to run. */
export function stable(text: string): string {
  return text
    .replace(/\+0x[0-9a-f]+\/0x[0-9a-f]+/g, '')
    .replace(/ \[\w+\]$/, '')
    .replace(/\b(?:0x[0-9a-f]+|(?=[0-9a-f]*\d)[0-9a-f]{8,})\b/gi, 'ADDR')
    .replace(/\b\d+(?=m?s\b|\b)/g, 'N')
    .trim();
}

/** One cheap test before the fifty patterns: nearly every line of a log matches none. */
const looksBad =
  /BUG|WARNING|Oops|fault|panic|PANIC|SAN|INFO:|corruption|refcount_t|error|opcode|segment|LOCKUP|killed|Killed|memory leak|unreferenced|stall|starved|didn't happen|Unable|list_add|Busy inodes|bad magic|taints kernel|tainting kernel|staging directory|oom-killer|Out of memory|unregister_netdevice|nobody cared|bogus return|alloc|ODEBUG|CFI failure|CSD lock|duplicate filename|Unexpected gfp|wrong timeout|hw csum/;

const splatPatterns: readonly SplatPattern[] = [
  // Checkers of memory. KASAN's second line says Read or Write.
  {
    kind: 'kasan',
    end: 'rule',
    start: /^BUG: KASAN: (\S.*?)(?: in (\S+).*)?$/,
    title: (match, lines) => {
      const access = lines
        .map((line) => /^(Read|Write|Free) (?:of size|at addr|of addr)/.exec(line)?.[1])
        .find(Boolean);
      const what = `KASAN: ${match[1]}${access === undefined || access === 'Free' ? '' : ` ${access}`}`;
      return inFunction(what, named(match[2], lines));
    },
  },
  {
    kind: 'kfence',
    end: 'rule',
    start: /^BUG: KFENCE: (\S.*?) in (\S+)/,
    title: (match, lines) => inFunction(`KFENCE: ${match[1]}`, named(match[2], lines)),
  },
  {
    kind: 'kcsan',
    end: 'rule',
    start: /^BUG: KCSAN: (\S.*?) in (.*)$/,
    // KCSAN prints the two functions in sorted order, so the title is the same for both orders of access.
    title: (match) => `KCSAN: ${match[1]} in ${stable(match[2] ?? '')}`,
  },
  {
    kind: 'kmsan',
    end: 'rule',
    start: /^BUG: KMSAN: (\S.*?) in (\S+)/,
    title: (match, lines) => inFunction(`KMSAN: ${match[1]}`, named(match[2], lines)),
  },
  {
    kind: 'ubsan',
    end: 'marker',
    start: /^UBSAN: (\S+) in ([^\s:]+)/,
    title: (match, lines) => inFunction(`UBSAN: ${match[1]}`, guiltyFunction(lines)) + at(match[2]),
  },

  {
    // With CONFIG_UBSAN_TRAP, its line is followed by the processor's exception.
    kind: 'bug',
    end: 'marker',
    announces: true,
    start: /^UBSAN: (.+) at (\S+\+0x\S+)$/,
    title: (match) => inFunction(`UBSAN: ${match[1]}`, functionName(match[2] ?? '')),
  },

  // Checkers of locks and contexts.
  ...lockdep(/^WARNING: possible circular locking dependency detected/, 'possible deadlock'),
  ...lockdep(/^WARNING: possible recursive locking detected/, 'possible deadlock'),
  ...lockdep(/^WARNING: possible irq lock inversion dependency detected/, 'possible irq lock inversion'),
  ...lockdep(/^WARNING: (\S+-safe -> \S+-unsafe lock order) detected/),
  ...lockdep(/^WARNING: (inconsistent lock state)/),
  ...lockdep(/^WARNING: (suspicious RCU usage)/),
  ...lockdep(/^WARNING: (bad unlock balance) detected/),
  ...lockdep(/^WARNING: (bad contention) detected/),
  ...lockdep(/^WARNING: (held lock freed)/),
  // The only report of lockdep without a stack: it is printed on return to user space.
  ...lockdep(/^WARNING: (lock held when returning to user space)/, undefined, 'maybe'),
  ...lockdep(/^WARNING: (Nested lock was not taken)/),
  ...lockdep(/^WARNING: (chain_key collision)/),
  ...lockdep(/^WARNING: (?<task>.+?)\/\d+ still has locks held!/, 'task still has locks held'),
  ...lockdep(/^\[ BUG: (Invalid wait context) \]/),
  ...lockdep(/^INFO: (trying to register non-static key)/),
  {
    kind: 'lockdep',
    end: 'marker',
    announces: true,
    start: /^BUG: key [0-9a-f]+ has not been registered!/,
    title: (_match, lines) => inFunction('BUG: key has not been registered', guiltyFunction(lines)),
  },
  ...lockdep(/^BUG: (MAX_(?:LOCKDEP|STACK|LOCK)\w+ too low)/),
  ...lockdep(/^BUG: (looking up invalid subclass)/),
  {
    kind: 'lockdep',
    end: 'stack',
    start: /^BUG: workqueue leaked atomic, lock or RCU: (?<task>.+)\[\d+\]$/,
    // The work's function has returned and is in no stack. A later line names it.
    title: (_match, lines) =>
      inFunction('BUG: workqueue leaked atomic, lock or RCU', lines.map(workFunction).find(Boolean) ?? null),
  },
  {
    kind: 'sleep-in-atomic',
    end: 'stack',
    start:
      /^BUG: (sleeping function called from invalid context|assuming (?:atomic|non migratable) context) at /,
    title: (match, lines) => inFunction(`BUG: ${match[1]}`, guiltyFunction(lines)),
  },
  {
    kind: 'sleep-in-atomic',
    end: 'stack',
    start: /^BUG: (scheduling (?:while atomic|in a non-blocking section)): (?<task>.*?)\/-?\d+\//,
    title: (match, lines) => inFunction(`BUG: ${match[1]}`, guiltyFunction(lines)),
  },

  // Checkers of data. They end in a WARN() or BUG(), so their own line, which comes first, gives the title.
  {
    kind: 'list-corruption',
    end: 'marker',
    announces: true,
    start: /^(list_(?:add|del)) (?:corruption|double add)/,
    title: (match, lines) => inFunction(`${match[1]} corruption`, guiltyFunction(lines)),
  },
  {
    kind: 'refcount',
    end: 'marker',
    announces: true,
    start: /^refcount_t: (.*?)\.?$/,
    title: (match, lines) => inFunction(`refcount_t: ${match[1]}`, guiltyFunction(lines)),
  },
  {
    kind: 'warning',
    end: 'marker',
    announces: true,
    start: /^ODEBUG: (\w+) (not available|[\w ]+?) \(active state \d+\) object: \S+ object type: (\S+)/,
    title: (match, lines) => inFunction(`ODEBUG: ${match[1]} ${match[2]} ${match[3]}`, guiltyFunction(lines)),
  },
  {
    kind: 'warning',
    end: 'marker',
    announces: true,
    start: /^ODEBUG: object \S+ is (NOT )?on stack/,
    title: (match, lines) => inFunction(`ODEBUG: object is ${match[1] ?? ''}on stack`, guiltyFunction(lines)),
  },
  {
    kind: 'bug',
    end: 'marker',
    announces: true,
    start: /^CFI failure at (\S+)/,
    title: (match) => inFunction('CFI failure', functionName(match[1] ?? '')),
  },

  // The processor's exceptions.
  {
    kind: 'bug',
    end: 'marker',
    // Without CONFIG_DEBUG_BUGVERBOSE it has a function in place of a file.
    start: /^kernel BUG at ([^\s:]+)(?::\d+)?!?/,
    title: (match, lines) => {
      const name = functionName(match[1] ?? '');
      return inFunction('kernel BUG', currentFunction(lines) ?? name) + (name === null ? at(match[1]) : '');
    },
  },
  {
    kind: 'oops',
    end: 'marker',
    start: /^BUG: ((?:unable to handle |kernel NULL).*?)(?:,| for| at) (?:virtual )?(?:address|[0-9a-f]{8,})/,
    title: (match, lines) => inFunction(`BUG: ${match[1]}`, currentFunction(lines)),
  },
  {
    kind: 'oops',
    end: 'marker',
    // The function that used up the stack is arbitrary, so the title has none; the lines show the recursion.
    start: /^BUG: (?:\S+ stack guard page was hit|stack guard page was hit)/,
    title: () => 'BUG: stack guard page was hit',
  },
  {
    kind: 'gpf',
    end: 'marker',
    start: /^(?:Oops: )?general protection fault\b.*\[#\d+\]/,
    title: (_match, lines) => inFunction('general protection fault', currentFunction(lines)),
  },
  {
    kind: 'oops',
    end: 'marker',
    start: /^Oops: ([A-Za-z][^:,]*?)(?:,.*)?: [0-9a-f]{4} \[#\d+\]/,
    title: (match, lines) => inFunction(match[1] ?? '', currentFunction(lines)),
  },
  {
    kind: 'oops',
    end: 'marker',
    start:
      /^(divide error|invalid opcode|stack segment|double fault|int3|bounds|alignment check)\b.*\[#\d+\]/,
    title: (match, lines) => inFunction(match[1] ?? '', currentFunction(lines)),
  },
  {
    kind: 'oops',
    end: 'marker',
    start: /^(?:traps: )?PANIC: double fault/,
    title: (_match, lines) => inFunction('double fault', currentFunction(lines)),
  },
  {
    kind: 'oops',
    end: 'maybe',
    // So early that the kernel can only halt.
    start: /^PANIC: (early exception 0x[0-9a-f]+) IP /,
    title: (match, lines) => inFunction(match[1] ?? '', currentFunction(lines)),
  },
  {
    kind: 'oops',
    end: 'marker',
    start: /^Oops: /,
    title: (_match, lines) => inFunction('Oops', currentFunction(lines)),
  },
  {
    kind: 'warning',
    end: 'marker',
    // Since 6.18 the file comes first: `WARNING: fs/x.c:1 at f+0x1/0x2, CPU#0: task/1`.
    start:
      /^WARNING: (?:CPU: \d+ PID: \d+ at )?(?:([\w./-]+\.(?:[chSs]|rs)):\d+ )?(?:at )?(\w[\w.]*\+0x[0-9a-f]+\/0x[0-9a-f]+|0x[0-9a-f]{8,})/,
    title: (match, lines) =>
      inFunction('WARNING', functionName(match[2] ?? '') ?? guiltyFunction(lines)) + at(match[1]),
  },

  // Lockups and stalls.
  {
    kind: 'rcu-stall',
    end: 'stack',
    start: /^(?:rcu: )?INFO: \w+ (?:self-)?detected (?:expedited )?stalls? on/,
    title: (_match, lines) => inFunction('INFO: rcu stall', currentFunction(lines)),
  },
  {
    kind: 'rcu-stall',
    end: 'line',
    start: /^(?:rcu: )?INFO: \w+ detected (?:expedited )?stalls?, but suppressed full report/,
    title: () => 'INFO: rcu stall',
  },
  {
    kind: 'rcu-stall',
    end: 'line',
    start: /^(?:rcu: )?\w+ kthread (?:starved for|timer wakeup didn't happen for) \d+ jiffies/,
    title: () => 'INFO: rcu kthread starved',
  },
  {
    kind: 'soft-lockup',
    end: 'stack',
    start: /^(?:watchdog: )?BUG: soft lockup - CPU#\d+ stuck for \d+s! \[(?<task>.*):\d+\]/,
    title: (_match, lines) => inFunction('BUG: soft lockup', currentFunction(lines)),
  },
  {
    kind: 'hard-lockup',
    end: 'stack',
    // Since 6.17 the CPU that noticed it comes first.
    start: /^(?:NMI )?(?:watchdog: )?(?:CPU\d+: )?Watchdog detected hard LOCKUP/,
    title: (_match, lines) => inFunction('hard lockup', currentFunction(lines)),
  },
  {
    kind: 'hung-task',
    end: 'stack',
    start: /^INFO: task (?<task>.+):\d+ blocked (?:in I\/O wait )?for more than/,
    title: (_match, lines) => inFunction('INFO: task hung', guiltyFunction(lines)),
  },

  // Leaks, bad pages, out of memory.
  {
    kind: 'kmemleak',
    end: 'line',
    start: /^kmemleak: \d+ new suspected memory leaks/,
    title: () => 'memory leak',
  },
  {
    kind: 'kmemleak',
    end: 'maybe',
    start: /^(?:kmemleak: )?(?:unreferenced object|BUG: memory leak$)/,
    title: (_match, lines) => inFunction('memory leak', guiltyFunction(lines)),
  },
  {
    kind: 'bad-page',
    end: 'stack',
    start: /^BUG: (Bad page (?:state|map|cache)) in process (?<task>.+?) {2}p\w+:/,
    title: (match, lines) => inFunction(`BUG: ${match[1]}`, guiltyFunction(lines)),
  },
  {
    kind: 'bad-page',
    end: 'line',
    start: /^BUG: (Bad page (?:state|map)): \d+ messages suppressed/,
    title: (match) => `BUG: ${match[1]}`,
  },
  {
    kind: 'bad-page',
    end: 'stack',
    start: /^(pagealloc: (?:memory corruption|single bit error))$/,
    title: (match, lines) => inFunction(match[1] ?? '', guiltyFunction(lines)),
  },
  {
    kind: 'rss-counter',
    end: 'line',
    start: /^BUG: Bad rss-counter state mm:\S+ (type|idx):(\S+)(?:.* Comm:(?<task>.+) Pid:\d+)?/,
    title: (match) => `BUG: Bad rss-counter state ${match[1]}:${match[2]}`,
  },
  {
    kind: 'rss-counter',
    end: 'line',
    start: /^BUG: non-zero pgtables_bytes on freeing mm/,
    title: () => 'BUG: non-zero pgtables_bytes on freeing mm',
  },
  // Not a memory cgroup's: a test may set a limit in order to reach it. A test that does not expect this loses a process
  // and fails for that.
  {
    kind: 'oom',
    end: 'verdict',
    start: /^(?<task>.+) invoked oom-killer: gfp_mask=/,
    last: /^(?:Memory cgroup out|Out) of memory/,
    isInnocent: (lines) => lines.some((line) => memcgPattern.test(line)),
    title: (match, lines) =>
      lines.map(oomVerdict).find(Boolean) ?? `Out of memory: ${match.groups?.task} invoked oom-killer`,
    task: (lines) => lines.map((line) => killedPattern.exec(line)?.[1]).find(Boolean) ?? null,
  },
  {
    kind: 'oom',
    end: 'line',
    start:
      /^Out of memory(?:(?: \([a-z_]+\))?: Killed process \d+ \((?<task>.*?)\) | and no killable processes)/,
    title: (match) => oomVerdict(match.input) ?? match[0],
  },

  {
    kind: 'panic',
    end: 'panic',
    start: /^Kernel panic - not syncing: (.*)$/s,
    title: (match) => `kernel panic: ${panicReason(match[1] ?? '')}`,
  },

  // Messages of taints without a splat of their own.
  ...taint(/^\S+: module license .*taints kernel\.$/, 'P'),
  ...taint(/^\S+: loading out-of-tree module taints kernel\.$/, 'O'),
  ...taint(/^\S+: module verification failed: .* tainting kernel$/, 'E'),
  ...taint(/^\S+: module is from the staging directory/, 'C'),
  ...taint(/^\S+: loading test module taints kernel\.$/, 'N'),
  ...taint(/^\S+: tainting kernel with TAINT_LIVEPATCH$/, 'K'),
  ...taint(/^Setting dangerous option \S+ - tainting kernel$/, 'U'),
  ...taint(/^(?:ACPI: )?Override \[.*\], this is unsafe: tainting kernel$/, 'A'),

  // Known to be serious, without the word BUG.
  {
    kind: 'other',
    end: 'line',
    repeats: true,
    start: /^unregister_netdevice: waiting for (\S+) to become free/,
    title: (match) => `unregister_netdevice: waiting for ${match[1]} to become free`,
  },
  {
    kind: 'other',
    end: 'stack',
    start: /^irq (?:event )?\d+: (nobody cared|bogus return value)/,
    title: (match) => `irq: ${match[1]}`,
  },
  {
    kind: 'other',
    end: 'stack',
    // A CPU that does not answer an interrupt of another one.
    start: /^(?:smp: )?csd: \w+ (non-responsive CSD lock) .* for CPU#\d+ ([^\s(]+)/,
    title: (match) => inFunction(`csd: ${match[1]}`, functionName(match[2] ?? '')),
  },
  {
    kind: 'other',
    end: 'maybe',
    notice: true,
    start:
      /^(sysfs: cannot create duplicate filename|Unexpected gfp|schedule_timeout: wrong timeout value|percpu: allocation failed)\b|(hw csum failure)$/,
    title: (match, lines) => inFunction(match[1] ?? match[2] ?? '', guiltyFunction(lines)),
  },
  {
    kind: 'other',
    end: 'stack',
    notice: true,
    start: /^(?<task>.+): (page allocation (?:failure|stall)|vmalloc error)\b.*, mode:0x/,
    title: (match, lines) => inFunction(match[2] ?? '', guiltyFunction(lines)),
  },
  {
    kind: 'other',
    end: 'stack',
    notice: true,
    start: /^(?:unchecked )?MSR access error: (WRMSR to|RDMSR from) (0x[0-9a-f]+) /,
    title: (match, lines) =>
      inFunction(`unchecked MSR access error: ${match[1]} ${match[2]}`, guiltyFunction(lines)),
  },

  // Busy inodes lead to a use after free. The other messages begin with BUG.
  {
    kind: 'other',
    end: 'marker',
    announces: true,
    start: /^(?:VFS: )?Busy inodes after unmount of/,
    title: () => 'VFS: Busy inodes after unmount',
  },
  {
    kind: 'other',
    end: 'maybe',
    start: /^BUG: (using \w+\(\) in preemptible|(?:spinlock|rwlock) [a-z -]+?) (?:\[|on CPU#)/,
    title: (match, lines) => inFunction(`BUG: ${match[1]}`, guiltyFunction(lines)),
  },
  {
    kind: 'other',
    end: 'maybe',
    start: /^BUG: (workqueue lockup)/,
    title: (match) => `BUG: ${match[1]}`,
  },
  {
    kind: 'other',
    end: 'maybe',
    // Since 6.15 with a WARN() in place of a call trace.
    announces: true,
    // SLUB's own: `BUG kmalloc-64 (Not tainted): Right Redzone overwritten`.
    start: /^BUG (\S+) \((?:Not tainted|Tainted:.*?)\): (.*)$/,
    title: (match) => `BUG ${match[1]}: ${stable(match[2] ?? '')}`,
  },
  {
    kind: 'other',
    end: 'maybe',
    mayBeText: true,
    start: /^BUG: (.*)$/,
    title: (match) => `BUG: ${stable(match[1] ?? '')}`,
  },
];

/** The killer was invoked because of a memory cgroup's limit. */
const memcgPattern =
  /^Memory cgroup |^memory: usage \d+kB, limit |^ mem_cgroup_out_of_memory\+|^oom-kill:constraint=CONSTRAINT_MEMCG/;
const killedPattern = /^Out of memory(?: \([a-z_]+\))?: Killed process \d+ \((.*?)\) /;

/** What the killer came to; null if this line does not tell. */
function oomVerdict(line: string): string | null {
  const victim = killedPattern.exec(line)?.[1];
  if (victim !== undefined) return `Out of memory: Killed process ${victim}`;
  return line.startsWith('Out of memory and no killable') ? 'Out of memory and no killable processes' : null;
}

/** Lockdep's reports; `what` replaces the matched words in the title. */
function lockdep(start: RegExp, what?: string, end: SplatEnd = 'stack'): SplatPattern[] {
  const title = (match: RegExpExecArray, lines: readonly string[]) => {
    const named = what ?? match[1] ?? '';
    const prefix = /^(?:WARNING|INFO): /.exec(match[0])?.[0] ?? 'BUG: ';
    return inFunction((what === undefined ? prefix : '') + named, lockSite(lines) ?? guiltyFunction(lines));
  };
  return [{ kind: 'lockdep', end, start, title }];
}

function taint(start: RegExp, letter: string): SplatPattern[] {
  return [{ kind: 'taint', end: 'line', start, title: () => taintTitle(letter) }];
}

/** Where the lock in question was taken: `… trying to acquire lock:`, then ` (…) (name){….}, at: function`. */
function lockSite(lines: readonly string[]): string | null {
  const asked = lines.findIndex((line) =>
    / is trying to (?:acquire|release|lock|contend)| takes:$| locks? held by /.test(line),
  );
  for (const line of asked === -1 ? [] : lines.slice(asked, asked + 3)) {
    const name = functionName(/\bat: (?:\[<\S+>\] )?(\S+)/.exec(line)?.[1] ?? '');
    if (name !== null && !isMessenger(name)) {
      return name;
    }
  }
  return null;
}

function workFunction(line: string): string | undefined {
  return /^ +preempt=.* workfn=(\w+)/.exec(line)?.[1];
}

/** The function that the report names, if it is not part of a checker or a general service. */
function named(text: string | undefined, lines: readonly string[]): string | null {
  const name = functionName(text ?? '');
  return name !== null && !isMessenger(name) ? name : (guiltyFunction(lines) ?? name);
}

function inFunction(what: string, name: string | null): string {
  return name === null ? what : `${what} in ${name}`;
}

function at(file: string | undefined): string {
  return file === undefined ? '' : ` at ${file.replace(/^(?:\.\.?\/)+/, '')}`;
}

/** A panic's message, without what differs from run to run. */
export function panicReason(message: string): string {
  const [first = ''] = message.split('\n');
  return stable(
    first
      .replace(/ on unknown-block\(.*$/, '')
      .replace(/ exitcode=.*$/, '')
      .replace(/\s*\.\.\.$/, ''),
  );
}
