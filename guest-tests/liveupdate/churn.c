// SPDX-License-Identifier: GPL-2.0
/*
 * Files that several processes create, resize, write, rename, exchange and
 * remove up to the very instant of kexec.
 */
#include "../kselftest.h"
#include "churn_model.h"

#define OPERATIONS 500

static void result(bool ok, const char *name)
{
	ksft_test_result(ok, "%s\n", name);
}

static void print_operations(void)
{
	for (unsigned int i = 0; i < CHURN_WORKERS; i++) {
		const struct churn_notes *note = churn_notes(i);

		ksft_print_msg("worker %u: %lu operations, %lu without space, then %s\n",
			       i, note->operations, note->refused,
			       churn_names[note->operation]);
	}
}

int main(void)
{
	unsigned int generation = kiln_generation();
	bool last = generation + 1 >= kiln_generations();
	int err = mount_gm();

	ksft_print_header();
	if (err == -ENODEV && !generation)
		ksft_exit_skip("no guestmemfs\n");
	ksft_set_plan(2 + (generation ? 2 : 0) + (last ? 0 : 2));
	ksft_test_result(!err, "guestmemfs is mounted\n");
	err = generation ? churn_attach() : churn_begin();
	ksft_test_result(!err, "the notes are there\n");
	if (err)
		ksft_exit_fail();
	if (generation) {
		print_operations();
		result(!churn_verify(), "each operation is done or not done");
		result(churn_space_adds_up(), "no block is lost");
	}
	if (last || ksft_get_fail_cnt())
		ksft_finished();
	result(!churn_start(), "processes change files");
	err = kexec_load_next();
	result(!err && churn_has_done(OPERATIONS),
	       "and go on with it");
	ksft_print_cnts();
	if (ksft_get_fail_cnt()) {
		churn_kill();
		return KSFT_FAIL;
	}
	kexec_to(generation + 1);
}
