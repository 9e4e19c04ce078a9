// SPDX-License-Identifier: MIT
// Real git, make and gcc on a tree with as much of kbuild as is looked at.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { parseFragment } from '../../kernel/fragment.ts';
import { findToolchain } from '../../kernel/toolchain.ts';
import { configOfTouched } from '../../kernel/touchedConfig.ts';
import type { CheckResult } from '../../schema.ts';
import { quietContext } from '../../testing/context.ts';
import type { AppliedPatch } from '../../tree/tree.ts';
import { git } from '../../util/git.ts';
import { Elsewhere } from './elsewhere.ts';

type Files = Record<string, string>;

const makefile = `
ifeq ($(srctree),)
$(filter-out allnoconfig,$(MAKECMDGOALS)):
	@$(MAKE) -C $(O) -f $(CURDIR)/Makefile srctree=$(CURDIR) $@
allnoconfig:
	@cp $(KCONFIG_ALLCONFIG) $(O)/.config
	@sed -n 's/^\\(CONFIG_.*\\)=y/#define \\1 1/p; s/^\\(CONFIG_.*\\)=m/#define \\1_MODULE 1/p' $(O)/.config > $(O)/config.h
else
VPATH = $(srctree)
%.o: %.c
	@echo "  CC      $@"; echo $@ >> compiled; mkdir -p $(@D)
	@$(CC) $(if $(filter i386,$(ARCH)),-m32) -I$(srctree)/include -include config.h -Wall -Werror=implicit -MD -MF $@.d -c $< -o $@
-include $(wildcard */*.d)
endif
`;

const base: Files = {
  Makefile: makefile,
  Kbuild: 'obj-y += drivers/\n',
  Kconfig: 'config MODULES\n\tbool "modules"\nconfig CHIP\n\ttristate "chip"\n',
  'drivers/Makefile': 'obj-$(CONFIG_CHIP) += chip.o\nobj-y += core.o old.o bad.o\n',
  'include/core.h': '#define CORE 1\n',
  'drivers/chip.c': 'int chip;\n',
  'drivers/core.c': '#include "core.h"\nint core;\n',
  'drivers/old.c': '#include "core.h"\nint old;\n',
  'drivers/bad.c': '#ifdef __i386__\nint bad = undeclared;\n#endif\n',
};

const patches: Files[] = [
  // 32 bits.
  {
    'drivers/core.c':
      '#include "core.h"\nint printf(const char *, ...);\nint core(char *p)\n{\n\treturn printf("%lu", sizeof(*p));\n}\n',
    'drivers/bad.c': `${base['drivers/bad.c']}int more;\n`,
  },
  // A module.
  { 'drivers/chip.c': '#ifdef CONFIG_CHIP_MODULE\nint chip = undeclared;\n#endif\n' },
  // Without its own option.
  {
    Kconfig: `${base.Kconfig}config HELPER\n\tbool "helper"\n`,
    'drivers/Makefile': `${base['drivers/Makefile']}obj-$(CONFIG_HELPER) += helper.o\n`,
    'drivers/helper.c': '#include "core.h"\nint helper(void)\n{\n\treturn 1;\n}\n',
    'include/core.h': '#ifdef CONFIG_HELPER\nint helper(void);\n#endif\n',
    'drivers/old.c': '#include "core.h"\nint g(void)\n{\n\treturn helper();\n}\n',
  },
  { README: 'Text\n' },
];

async function example(t: ExecutionContext) {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-elsewhere-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const [from, home] = [join(dir, 'from'), join(dir, 'bases', 'one')];
  await mkdir(home, { recursive: true });
  await git(dir, ['init', '--quiet', from]);
  const commits: string[] = [];
  for (const files of [base, ...patches]) {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(from, path)), { recursive: true });
      await writeFile(join(from, path), text);
    }
    await git(from, ['add', '--all']);
    await git(from, ['commit', '--quiet', '--message', 'a change']);
    commits.push((await git(from, ['rev-parse', 'HEAD'])).stdout);
  }
  const gitDir = join(home, 'repo.git');
  await git(dir, ['clone', '--quiet', '--bare', from, gitDir]);
  const applied = patches.map(
    (files, index): AppliedPatch => ({
      ...{ series: 's', file: `${index + 1}.patch`, subject: '', commit: commits[index + 1]! },
      files: Object.keys(files),
    }),
  );
  const own = parseFragment('own', 'CONFIG_CHIP=y\nCONFIG_HELPER=y\n').fragment;
  const paths = [...new Set(applied.flatMap(({ files }) => files))];
  const asked = { gitDir, commit: commits.at(-1)!, paths, fragments: [own], defaults: false };
  const { files: wishes } = await configOfTouched(asked);
  const symbols = ['CHIP', 'MODULES'];
  const toolchain = await findToolchain();
  const request = (number: number) => ({
    tree: {
      ...{ key: '', commit: commits[number]!, content: commits[number]!, gitDir, warnings: [] },
      patches: applied.slice(0, number),
      symbols: number < 3 ? symbols : [...symbols, 'HELPER'],
    },
    ...{ fragments: [own], defaults: false, toolchain, buildName: 'default', checksWarnings: false },
  });
  const context = quietContext(join(dir, 'cache'));
  const elsewhere = () => new Elsewhere({ patches: applied, wishes, symbols: [...symbols, 'HELPER'] });
  const compiled = async (variant: string) => {
    const log = join(home, 'build', `default.${variant}`, 'compiled');
    const lines = (await readFile(log, 'utf8').catch(() => '')).split('\n').filter(Boolean);
    await rm(log, { force: true });
    return lines.toSorted();
  };
  return { elsewhere, request, context, compiled };
}

/** What a summary says of the variants that every machine can make. */
function partsOf(summary: string): string[] {
  return summary
    .split('; ')[0]!
    .split(', ')
    .filter((part) => !/^(?:arm64|sparse) /.test(part));
}

test('each patch is told what it breaks elsewhere, and not what failed before', async (t) => {
  const { elsewhere, request, context, compiled } = await example(t);
  const one = elsewhere();
  const results: (CheckResult | null)[] = [];
  const objects: string[][] = [];
  for (const number of [0, 1, 2, 3, 4]) {
    const { result, cached } = await one.step(number, request(number), [], context);
    t.is(cached, number === 4);
    objects.push(await compiled('i386'));
    results.push(result);
  }
  t.is(results[0], null);
  const of = (number: number) => [results[number]!.status, ...partsOf(results[number]!.summary)];
  t.deepEqual(of(1), ['warn', 'i386 1 new warning', 'drivers/bad.o already failed before', 'off ok']);
  t.regex(results[1]!.findings.join('\n'), /^drivers\/core\.c:5: format .*%lu.* \(i386\)$/);
  t.deepEqual(of(2), ['fail', 'i386 ok', '=m 1 new error', 'off ok']);
  t.regex(results[2]!.findings.join('\n'), /^drivers\/chip\.c:2: .*undeclared.* \(=m\)$/);
  t.deepEqual(of(3), ['fail', 'i386 ok', 'off 1 new error']);
  t.regex(results[3]!.findings.join('\n'), /^drivers\/old\.c:4: implicit declaration .*helper.* \(off\)$/);
  t.deepEqual([results[4]!.status, results[4]!.summary], ['pass', 'the patch touches no code']);
  // All files on the base, then what make finds to be changed; what failed, again.
  t.deepEqual(objects[0], ['drivers/bad.o', 'drivers/chip.o', 'drivers/core.o', 'drivers/old.o']);
  t.deepEqual(objects[1], ['drivers/bad.o', 'drivers/core.o']);
  t.deepEqual(objects[2], ['drivers/bad.o', 'drivers/chip.o']);
  // The configuration changes, and with it all of this small tree.
  t.deepEqual(
    objects[3],
    ['bad', 'chip', 'core', 'helper', 'old'].map((name) => `drivers/${name}.o`),
  );
  t.deepEqual(objects[4], []);
});

test('a second run of the same series compiles nothing', async (t) => {
  const { elsewhere, request, context, compiled } = await example(t);
  const first = elsewhere();
  for (const number of [0, 1]) await first.step(number, request(number), [], context);
  await compiled('i386');
  const second = elsewhere();
  t.true((await second.step(0, request(0), [], context)).cached);
  const again = await second.step(1, request(1), [], context);
  t.deepEqual([again.cached, again.result!.status], [true, 'warn']);
  t.deepEqual(await compiled('i386'), []);
  // The states of the cache need not be those of the build directory.
  t.false((await second.step(2, request(2), [], context)).cached);
  t.deepEqual(await compiled('i386'), ['drivers/bad.o', 'drivers/chip.o', 'drivers/core.o', 'drivers/old.o']);
});

test('what the kernel that is tested says, too, is told once: there', async (t) => {
  const { elsewhere, request, context } = await example(t);
  const one = elsewhere();
  await one.step(0, request(0), [], context);
  const text = (await one.step(1, request(1), [], context)).result!.findings[0]!;
  const [, file, line, said] = /^(.+?):(\d+): (.*) \(i386\)$/.exec(text)!;
  const known = {
    severity: 'warning' as const,
    file: file!,
    line: Number(line),
    text: said!,
    patch: '1.patch',
  };
  const other = elsewhere();
  await other.step(0, request(0), [], context);
  const { result } = await other.step(1, request(1), [known], context);
  t.deepEqual([result!.status, result!.findings], ['pass', []]);
});

test('ending the run ends the check', async (t) => {
  const { elsewhere, request, context } = await example(t);
  const controller = new AbortController();
  const step = elsewhere().step(0, request(0), [], {
    ...context,
    signal: controller.signal,
    progress: () => controller.abort(),
  });
  await t.throwsAsync(step, { message: /interrupted|aborted/ });
});
