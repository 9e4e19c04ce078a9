// SPDX-License-Identifier: MIT
import test from 'ava';
import { readMakefile } from './makefile.ts';

const flags = (text: string, program = 'a') => {
  const { flagsFor } = readMakefile(text);
  return flagsFor(program);
};

test('flags of the four variables, whichever way they are assigned', (t) => {
  const text = `# CFLAGS += -DNOT
CFLAGS := -Wall -DA=1   # a comment
CFLAGS += -I../beta \\
	  -DB
CPPFLAGS = -DC
LDFLAGS += -pthread
LDLIBS=-lm
LDLIBS += -lcap
LDLIBS ?= -lno
TEST_GEN_PROGS := a b
include ../lib.mk
`;
  t.deepEqual(flags(text), {
    compile: ['-Wall', '-DA=1', '-I../beta', '-DB', '-DC'],
    link: ['-pthread'],
    libraries: ['-lm', '-lcap'],
  });
});

test('an assignment replaces what was there', (t) => {
  t.deepEqual(flags('CFLAGS += -DA\nCFLAGS = -DB\n').compile, ['-DB']);
  t.deepEqual(flags('CFLAGS = -DA\nCFLAGS := $(CFLAGS) -DB\n').compile, ['-DA', '-DB']);
});

test('variables of the file, and those of lib.mk', (t) => {
  const text = `DEFS = -DA -DB
CFLAGS += $(DEFS) \${MORE} $(KHDR_INCLUDES) $(TOOLS_INCLUDES) -I$(selfdir)/beta
CFLAGS += -I$(top_srcdir)/tools/testing/selftests/gamma -I$(OUTPUT)
MORE := -DC
`;
  t.deepEqual(flags(text).compile, ['-DA', '-DB', '-DC', '-I../beta', '-I../gamma', '-I.']);
  t.deepEqual(readMakefile(text).ignored, []);
});

test('flags of one program', (t) => {
  const text = `$(OUTPUT)/a $(OUTPUT)/c: LDLIBS += -lm
b: CFLAGS += -O0
`;
  t.deepEqual(flags(text).libraries, ['-lm']);
  t.deepEqual(flags(text, 'b'), { compile: ['-O0'], link: [], libraries: [] });
  t.deepEqual(flags(text, 'c').libraries, ['-lm']);
});

test('what only make could tell, and what does not fit a static program, is ignored and named', (t) => {
  const text = `CFLAGS += $(shell pkg-config --cflags x) -DA -fsanitize=address -Werror -DB=\\"b\\"
ifeq ($(ARCH),x86_64)
CFLAGS += -m64
LDLIBS += $(X)
EXTRA := -DE
endif
CFLAGS += $(EXTRA)
CFLAGS += -I$(top_srcdir)/tools/include $(call f,x)
all:
	CFLAGS += -DNOT
`;
  t.deepEqual(flags(text).compile, ['-DA']);
  t.deepEqual(readMakefile(text).ignored, [
    'CFLAGS: $(shell pkg-config --cflags x)',
    'CFLAGS: -fsanitize=address',
    'CFLAGS: -Werror',
    'CFLAGS: -DB=\\"b\\"',
    'CFLAGS: -m64 (it depends on a condition)',
    'LDLIBS: $(X) (it depends on a condition)',
    'CFLAGS: $(EXTRA)',
    'CFLAGS: -I$(top_srcdir)/tools/include',
    'CFLAGS: $(call f,x)',
  ]);
});

test('a variable that leads to itself has an end', (t) => {
  t.deepEqual(flags('A = $(B)\nB = $(A)\nCFLAGS = $(A) -DX\n').compile, ['-DX']);
});

test('a flag with an argument of its own stays whole', (t) => {
  t.deepEqual(flags('CFLAGS += -isystem ../beta -include x.h -I ../gamma\n').compile, [
    '-isystem',
    '../beta',
    '-include',
    'x.h',
    '-I',
    '../gamma',
  ]);
});

test('a file without these variables, or none, has no flags', (t) => {
  t.deepEqual(flags(''), { compile: [], link: [], libraries: [] });
});
