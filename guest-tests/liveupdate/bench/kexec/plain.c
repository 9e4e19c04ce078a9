// SPDX-License-Identifier: GPL-2.0
/* Does only kexec, for `kiln bench liveupdate`. */
#include <kiln.h>
#include "../kselftest.h"

int main(void)
{
	unsigned int generation = kiln_generation();

	ksft_print_header();
	ksft_set_plan(1);
	if (generation + 1 == kiln_generations()) {
		ksft_test_result_pass("arrived\n");
		ksft_finished();
	}
	ksft_test_result(kexec_load_next() == 0, "loaded\n");
	kexec_to(generation + 1);
}
