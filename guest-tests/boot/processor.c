// SPDX-License-Identifier: GPL-2.0
/*
 * The processor executes CMPXCHG16B correctly. QEMU before 8.0 computes the flags from the wrong operation. The slab
 * allocator uses the instruction, and about once in some hundred boots an interrupt at the wrong moment set the trap
 * flag from bits of an address. Kiln hides the instruction from the guest there (harness/guest/machine.ts).
 */
#include <cpuid.h>
#include <stdint.h>

#include "../kselftest_harness.h"

#define FLAG_ZERO	0x0040

/* Compares b with a, which sets the flags, then exchanges. The exchange may change only the zero flag. */
static void exchange(uint64_t a, uint64_t b, uint64_t *before, uint64_t *after)
{
	uint64_t words[2] __attribute__((aligned(16))) = { 1, 2 };
	uint64_t low = 1, high = 2;

	asm volatile("cmp %[a], %[b]\n\t"
		     "pushfq\n\t"
		     "popq %[before]\n\t"
		     "pushfq\n\t"
		     "popfq\n\t"	/* makes the emulator compute the flags now, not when they are used */
		     "cmp %[a], %[b]\n\t"
		     "cmpxchg16b %[words]\n\t"
		     "pushfq\n\t"
		     "popq %[after]\n\t"
		     : [words] "+m"(words), "+a"(low), "+d"(high), [before] "=&r"(*before), [after] "=&r"(*after)
		     : [a] "r"(a), [b] "r"(b), "b"(3ul), "c"(4ul)
		     : "cc", "memory");
}

TEST(cmpxchg16b_changes_no_flag_but_zero)
{
	unsigned int a, b, c, d;
	uint64_t i;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_CMPXCHG16B))
		SKIP(return, "the processor has no CMPXCHG16B");
	for (i = 0; i < 64; i++) {
		uint64_t before, after;

		exchange(1ul << i, 0x0123456789abcdef, &before, &after);
		ASSERT_EQ(before | FLAG_ZERO, after)
			TH_LOG("comparing with bit %d", (int)i);
	}
}

TEST_HARNESS_MAIN
