// SPDX-License-Identifier: MIT
import * as arch from '../guest/arch/x86_64.ts';

/**
 * The function to name in the title: the first in a stack that is not part of a checker or of a general service such
 * as locking or allocation. null if no stack has one.
 */
export function guiltyFunction(lines: readonly string[]): string | null {
  const frames = stackFrames(lines);
  return frames.find((name) => !messengerPattern.test(name)) ?? null;
}

/** The function at the instruction pointer if that was in the kernel, else guiltyFunction(). */
export function currentFunction(lines: readonly string[]): string | null {
  for (const line of lines) {
    const name = instructionPattern.exec(line)?.[1];
    const found = name === undefined ? null : functionName(name);
    if (found !== null && !messengerPattern.test(found)) {
      return found;
    }
    // Registers before the trace are the reporting CPU's; later ones may be another CPU's.
    if (line.startsWith('Call Trace:')) {
      break;
    }
  }
  return guiltyFunction(lines);
}

/** `foo.isra.0+0x1f/0x30 [module]` → `foo`; null if the text has another form. */
export function functionName(text: string): string | null {
  return /^([A-Za-z_][\w]*)(?:\.[\w.]+)?\+0x[0-9a-f]+\/0x[0-9a-f]+/.exec(text.trim())?.[1] ?? null;
}

/** Whether a function only reports, waits or allocates for others. */
export function isMessenger(name: string): boolean {
  return messengerPattern.test(name);
}

const instructionPattern = new RegExp(`^${arch.logInstruction}(.*)$`);
/** Lines within a call trace that are no reliable frames, and indented ones that another CPU printed there. */
const amongFrames = new RegExp(`^[ \\t]|^${arch.logInstruction}`);

/** Functions of the first `Call Trace:`, the innermost first, without the uncertain (`? `) ones. */
function stackFrames(lines: readonly string[]): string[] {
  const start = lines.findIndex((line) => line.startsWith('Call Trace:') || line.startsWith('  backtrace'));
  const frames: string[] = [];
  for (const line of start === -1 ? [] : lines.slice(start + 1)) {
    const name = functionName(line);
    if (name !== null) {
      frames.push(name);
    } else if (!amongFrames.test(line)) {
      break;
    }
  }
  return frames;
}

// By what they do: print; check memory, locks, lists, counters and contexts; handle exceptions; sleep; take
// locks; allocate and free. Prefixes where the whole family is meant.
const messengerPattern = new RegExp(
  `^(?:${[
    'dump_stack\\w*|show_(?:stack|regs)\\w*|print_\\w+|_?printk|vprintk\\w*|__warn\\w*|warn_slowpath\\w*|panic|die\\w*|oops_\\w+',
    '_*k[amc]san_\\w+|_*kfence_\\w+|__[amt]san_\\w+|asan_\\w+|_*ubsan_\\w+|handle_(?:overflow|bug|exception)|report_bug|check_panic_on_warn',
    '_*lock_(?:acquire|acquired|release|downgrade)|(?:look_up|register)_lock_class|lockdep_\\w+|validate_chain|mark_(?:lock\\w*|usage|held_locks)|check_(?:noncircular|prev\\w*|deadlock|wait_context|flags|preemption_disabled)',
    '__list_(?:add|del_entry)_valid\\w*|list_(?:add|del)\\w*|_*refcount_\\w+|debug_(?:check|object|print|mutex)\\w*|spin_(?:bug|dump)|do_raw_\\w+|_raw_\\w+|_*raw_spin_\\w+|bad_page|debug_smp_processor_id',
    '_*might_(?:sleep|resched|fault)\\w*|__schedule\\w*|schedule\\w*|preempt_schedule\\w*|io_schedule\\w*|msleep\\w*|__cond_resched\\w*|rt_mutex_schedule|do_nanosleep',
    '_*mutex_(?:lock|unlock|init)\\w*|__init_rwsem|_*down_(?:read|write)\\w*|_*up_(?:read|write)\\w*|rwsem_\\w+|_*wait_(?:for|on)_\\w+|folio_wait_\\w+|_*rt_mutex_\\w+',
    arch.exceptionFunctions,
    'watchdog\\w*|perf_\\w+|_*hrtimer_\\w+',
    'kmalloc\\w*|_*kmalloc\\w*|kmem_cache_\\w+|_*slab_\\w+|_*kfree\\w*|kvfree\\w*|kv[mz]alloc\\w*|_*kvmalloc\\w*|___slab_\\w+|_*kmemleak_\\w+|mempool_\\w+|kmemdup\\w*|kstrdup\\w*',
    '_*free_(?:pages?|unref_\\w+|frozen_\\w+|pages_prepare)\\w*|_*alloc_pages?\\w*|post_alloc_hook|warn_alloc\\w*|_*vmalloc\\w*|_*folio_alloc\\w*|alloc_frozen_pages\\w*|get_page_from_freelist|new_slab|allocate_slab',
    '_*delay_\\w+|_*(?:const_)?[nu]delay|_*v?s[cn]*printf|seq_v?printf|string|string_nocheck|pointer|number',
    'rcu_\\w+|update_process_times|tick_\\w+|_*lockup_\\w+|sched_show_task|_*nmi_\\w+|native_\\w+|kthread_stop|stop_one_cpu|smp_call_function\\w*|generic_exec_single|csd_\\w+',
    'mem(?:cpy|set|move|cmp|chr)\\w*|__mem(?:cpy|set|move)\\w*|str(?:n?cpy|n?cat|n?cmp|n?len|scpy|lcpy|chr)\\w*|_*copy_(?:to|from)_user\\w*|_*(?:get|put)_user\\w*|rep_(?:movs|stos)\\w*|_*fortify_\\w+',
    'usercopy_abort|_*check_(?:heap_object|object_size)|check_poison_mem|_*kernel_unpoison_pages',
    'sysfs_(?:warn_dup|create_\\w+)|kobject_(?:add|init_and_add|create_and_add)\\w*|netdev_rx_csum_fault',
  ].join('|')})$`,
);
