// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel ends, by kexec or by a panic, while several processes change files as
 * fast as they can.  The next kernel must find each operation done or not done.
 *
 * A run is one interruption at a random instant.  liveupdate.panic= on the command
 * line selects a panic (1) or kexec (0); without it, the choice is random.
 */
#include "../kselftest.h"
#include "churn_model.h"
#include "metadata.h"

#define OPERATIONS	50
#define WINDOW_US	200000

static void result(bool ok, const char *name)
{
	ksft_test_result(ok, "%s\n", name);
}

static bool should_panic(void)
{
	unsigned long choice = knob("panic", 2);

	return choice == 2 ? random_number() % 2 : choice;
}

/* ----- The kernel that ends ----- */

static void panic_now(void)
{
	int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

	if (write(fd, "c", 1) != 1)
		exit(KSFT_FAIL);
}

static void interrupt(bool panics)
{
	unsigned int i;

	result(churn_has_done(OPERATIONS), "and go on with it");
	for (i = 0; i < CHURN_WORKERS; i++) {
		if (churn_notes(i)->err)
			ksft_print_msg("worker %u: %s\n", i,
				       strerror(-churn_notes(i)->err));
	}
	ksft_print_cnts();
	if (ksft_get_fail_cnt()) {
		churn_kill();
		exit(KSFT_FAIL);
	}
	usleep(random_number() % WINDOW_US);
	if (panics)
		panic_now();
	else
		kexec_to(1);
}

static void first_kernel(bool panics)
{
	int err = mount_gm();

	if (err == -ENODEV)
		ksft_exit_skip("no guestmemfs\n");
	ksft_set_plan(4);
	if (!err)
		err = churn_begin();
	ksft_test_result(!err, "guestmemfs is mounted\n");
	err = panics ? kexec_on_panic(1) : kexec_load_next();
	ksft_test_result(!err, "a kernel is loaded for %s\n",
			 panics ? "a panic" : "kexec");
	if (err)
		ksft_exit_fail_msg("%s\n", strerror(-err));
	result(!churn_start(), "processes change files");
	interrupt(panics);
}

/* ----- The kernel after it ----- */

static bool metadata_is_consistent(bool mounted, struct leftovers *left)
{
	struct metadata *meta = metadata_read();
	unsigned int wrong;

	if (!meta)
		return false;
	wrong = metadata_check(meta, left);
	ksft_print_msg("%s: %u files; to do: %u renames, %u orphans, %u blocks\n",
		       mounted ? "mounted" : "found", left->files,
		       left->renames, left->orphans, left->blocks);
	free(meta);
	return !wrong;
}

/* Print how many processes were in the middle of an operation. */
static void print_interruptions(void)
{
	for (unsigned int i = 0; i < CHURN_WORKERS; i++)
		ksft_print_msg("interrupted in %s after %lu operations\n",
			       churn_names[churn_notes(i)->operation],
			       churn_notes(i)->operations);
}

static void second_kernel(void)
{
	struct leftovers left;
	int err;

	ksft_set_plan(6);
	result(metadata_is_consistent(false, &left),
	       "the metadata is whole, or half done where that may be");
	err = mount_gm();
	if (!err)
		err = churn_attach();
	ksft_test_result(!err, "it is mounted\n");
	if (err)
		ksft_exit_fail_msg("%s\n", strerror(-err));
	result(metadata_is_consistent(true, &left) && !left.renames &&
	       !left.orphans && !left.blocks, "nothing is half done any more");
	print_interruptions();
	result(!churn_verify(), "each operation is done or not done");
	result(churn_space_adds_up(), "no block is lost");
	/* The files can be changed further. */
	err = churn_start();
	result(!err && churn_has_done(OPERATIONS),
	       "processes can change files again");
	churn_kill();
	ksft_finished();
}

int main(void)
{
	ksft_print_header();
	if (kiln_generation())
		second_kernel();
	else
		first_kernel(should_panic());
	return KSFT_FAIL;
}
