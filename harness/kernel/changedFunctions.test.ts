// SPDX-License-Identifier: MIT
import test from 'ava';
import { functionsAt, functionsOf, parseHunks } from './changedFunctions.ts';

const source = `// a file
#include <linux/fs.h>

struct table {
	int (*open)(int);
};

static int plain(int a)
{
	return a;
}

static const struct table ops = {
	.open = plain,
};

static __attribute__((unused)) long
on_the_next_line(struct table *t,
		 int b)
{
	if (b) {
		return 1;
	}
	return 0;
}

int declared(int a);

SYSCALL_DEFINE2(thing, int, a, int, b)
{
	return 0;
}

static inline int one_line(void) { return 1; }

BPF_CALL_1(bpf_thing, int, a)
{
	return 0;
}

static DEFINE_MUTEX(lock);
EXPORT_SYMBOL_GPL(plain);

void __must_hold(&lock) __printf(1, 2) attributed(const char *f, ...)
{
}

struct table *brace_on_its_line(void) {
	return 0;
}
`;

test('functions are found by the braces in column 0', (t) => {
  t.deepEqual(
    functionsOf('a.c', source).map(({ name, first, last }) => `${name} ${first}-${last}`),
    [
      'plain 8-11',
      'on_the_next_line 17-25',
      'sys_thing 29-32',
      'bpf_thing 36-39',
      'attributed 44-46',
      'brace_on_its_line 48-50',
    ],
  );
});

test('a system call has several symbols', (t) => {
  const [call] = functionsOf('a.c', 'COMPAT_SYSCALL_DEFINE1(thing, int, a)\n{\n}\n');
  t.is(call!.name, 'sys_thing');
  t.true(call!.symbols.includes('__do_compat_sys_thing'));
});

test('assembler functions are found by their macros', (t) => {
  const text =
    'SYM_FUNC_START(first)\n\tret\nSYM_FUNC_END(first)\n\nSYM_CODE_START_NOALIGN(second)\n\tret\nSYM_CODE_END(second)\n';
  t.deepEqual(
    functionsOf('a.S', text).map(({ name, first, last }) => `${name} ${first}-${last}`),
    ['first 1-3', 'second 5-7'],
  );
});

test('changed lines are those of the new file; what was removed lies between two', (t) => {
  const diff = `diff --git a/a.c b/a.c
--- a/a.c
+++ b/a.c
@@ -1 +1,2 @@ context
-old
+new
+++ b/not-a-file.c
@@ -10,2 +11,0 @@
--- a/removed
-x
diff --git a/gone.c b/gone.c
--- a/gone.c
+++ /dev/null
@@ -1 +0,0 @@
-x
diff --git a/b c.c b/b c.c
--- a/b c.c\t
+++ b/b c.c\t
@@ -3,0 +4 @@
+y
`;
  t.deepEqual(
    [...parseHunks(diff)],
    [
      ['a.c', [1, 2, 11.5]],
      ['b c.c', [4]],
    ],
  );
});

test('a line removed behind a function is not in it', (t) => {
  const functions = functionsOf('a.c', source);
  const at = (...lines: number[]) => functionsAt(functions, lines).map(({ name }) => name);
  t.deepEqual(at(9), ['plain']);
  t.deepEqual(at(8.5, 31), ['plain', 'sys_thing']);
  t.deepEqual(at(11.5, 12, 26), []);
});
