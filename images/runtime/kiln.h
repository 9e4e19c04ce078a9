// SPDX-License-Identifier: MIT
#ifndef KILN_H
#define KILN_H

/*
 * What Kiln offers to a test program beside the kernel's own selftest headers.
 *
 * A test whose settings say generations=N goes through N kernels: the one that the
 * guest was booted with, and N - 1 that follow it by kexec. In each the program is
 * started from main() again, with the same arguments, in a user space made anew; it
 * prints a whole KTAP document each time, and calls kexec_to() when that is complete.
 */

/* Of the kernel that runs: 0 for the first, then one more each time. */
unsigned int kiln_generation(void);
/* How many there are to be: the last is kiln_generations() - 1. */
unsigned int kiln_generations(void);

/*
 * Loads the next kernel now, so that kexec_to() need not. Returns 0 or a negative
 * errno; ENOENT: the settings have no generations=, or this is the last one.
 */
int kexec_load_next(void);

/*
 * Loads the next kernel as the crash kernel: `generation`, the next one, begins when
 * this kernel panics. There has to be a crashkernel= on the command line. Returns 0
 * or a negative errno; bails out if `generation` is not the next one.
 */
int kexec_on_panic(unsigned int generation);

/*
 * Leaves for the kernel of `generation`, the next one, loading it if nothing is
 * loaded yet. What was printed is handed to the host first. Other processes run on
 * until the very end. For the guest's first pid namespace only. Bails out if it
 * can't be done.
 */
void kexec_to(unsigned int generation) __attribute__((noreturn));

/*
 * The same by a reset of the machine, which then boots its first kernel again. Only
 * with isolation=boot.
 */
void reboot_to(unsigned int generation) __attribute__((noreturn));

/*
 * The set-up is done and the cases follow. With isolation=case, Kiln freezes the guest
 * here, and each case begins in a fork of it: the set-up runs once for all of them, and
 * no case sees what another one did. The program calls this once, from main(), while it
 * has one thread; its arguments are then those of the case (-r NAME). Otherwise, and
 * outside of Kiln, it returns at once and changes nothing. Bails out if it can't be done.
 */
void kiln_ready(int *argc, char ***argv);

#endif
