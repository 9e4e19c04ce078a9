// SPDX-License-Identifier: MIT
// A hostile series at build time. Each attack is also run without the sandbox, where it succeeds.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { chooseSandbox } from '../sandbox/sandbox.ts';
import { listener } from '../testing/listener.ts';
import { type Toy, toy } from './toy.ts';

const { flags, reason } = await chooseSandbox('auto', true);
const sandboxed = flags ? test.serial : test.serial.skip;
if (!flags) console.error(`hostile builds are skipped: ${reason}`);

/** A series whose Makefile runs a line of shell when it is read. */
function attack(at: Toy, shell: string): Promise<string[]> {
  return at.series({ Makefile: (old) => `$(info $(shell ${shell.replaceAll('$', '$$$$')}))\n${old}` });
}

sandboxed('a Makefile can’t read ~/.ssh', async (t) => {
  const at = await toy(t);
  const home = join(at.dir, 'home');
  await mkdir(join(home, '.ssh'), { recursive: true });
  await writeFile(join(home, '.ssh', 'id_ed25519'), 'THE PRIVATE KEY\n');
  const places = `$HOME/.ssh/id_ed25519 ${home}/.ssh/id_ed25519 ${at.dir}/../../../etc/shadow`;
  const series = await attack(at, `cat ${places}; echo $SECRET; false`);
  const fails = (await at.series({ 'init/one.c': 'int one(void) { return ; nonsense }' })).slice(1);
  const both = [...series, '--series', ...fails];
  const env = { HOME: home, SECRET: 'THE TOKEN' };
  const stolen = async (options: string[]) => {
    await at.build([...both, ...options], env);
    const log = await readFile(join(at.cache, 'kiln', 'build-failed.log'), 'utf8');
    return ['THE PRIVATE KEY', 'THE TOKEN'].filter((word) => log.includes(word));
  };
  t.deepEqual(await stolen([]), []);
  t.deepEqual(await stolen(['--sandbox', 'off']), ['THE PRIVATE KEY', 'THE TOKEN']);
});

sandboxed('a Makefile can’t connect to the network', async (t) => {
  const at = await toy(t);
  const { port, calls } = await listener(t);
  const series = await attack(at, `bash -c "echo hello > /dev/tcp/127.0.0.1/${port}"`);
  const { exitCode, stderr } = await at.build(series);
  t.is(exitCode, 0, stderr);
  t.is(calls(), 0);
  t.is((await at.build([...series, '--sandbox', 'off', '--config', 'kasan'])).exitCode, 0);
  t.true(calls() > 0);
});

sandboxed('a Makefile can’t write outside the build directory', async (t) => {
  const at = await toy(t);
  const targets = [
    at.dir,
    `${at.cache}/kiln`,
    `${at.cache}/kiln/ccache`,
    `${at.source}`,
    '/usr/local/bin',
    '/etc',
  ];
  const wrote = () => targets.filter((dir) => existsSync(join(dir, 'kiln-was-here')));
  const series = await attack(at, targets.map((dir) => `touch ${dir}/kiln-was-here;`).join(' '));
  const { exitCode, stderr } = await at.build(series);
  t.is(exitCode, 0, stderr);
  t.deepEqual(wrote(), []);
  const here = await attack(at, `touch ${at.dir}/kiln-was-here`);
  await at.build([...here, '--sandbox', 'off']);
  t.deepEqual(wrote(), [at.dir]);
});

sandboxed('a fork bomb ends the build, with an error of the series', async (t) => {
  const at = await toy(t);
  const { exitCode, stderr } = await at.build(await attack(at, `bash -c 'while :; do sleep 99 & done'`));
  t.is(exitCode, 4, stderr);
  t.regex(stderr, /the build was stopped: it ran \d+ processes at once/);
});

sandboxed('a build result is used only if it is a regular file of the build', async (t) => {
  const at = await toy(t);
  await writeFile(join(at.dir, 'secret'), 'a=secret\n');
  for (const [file, make] of [
    ['.config', `ln -sf ${at.dir}/secret`],
    ['vmlinux', `ln -sf ${at.dir}/secret`],
    ['include/config/kernel.release', 'rm -f $(O)/include/config/kernel.release; mkfifo'],
  ]) {
    const change = (old: string) =>
      old.replace(/^\tcp .*boot\/bzImage$/m, (line) => `${line}\n\t${make} $(O)/${file}`);
    const { exitCode, stderr } = await at.build(await at.series({ Makefile: change }));
    t.is(exitCode, 4, stderr);
    t.true(stderr.includes(`the build left a ${file} that is no plain file of its own`), stderr);
  }
  t.deepEqual(await readdir(join(at.cache, 'kiln', 'kernels')), []);
});

sandboxed('a series can’t poison the build directory or the ccache of another one', async (t) => {
  const at = await toy(t);
  t.is((await at.build()).exitCode, 0);
  const before = await snapshot(at);
  // Objects that make would consider up to date in every later build of the base.
  const swap = 'for o in $(objects); do cp $(O)/init/two.o $$o; done';
  const spoil = 'find $(CCACHE_DIR) -type f -exec sh -c "echo x > {}" \\;';
  const poison = (old: string) =>
    old
      .replace(/^\tcp .*boot\/bzImage$/m, (line) => `${line}\n\t${swap}`)
      .replace('allnoconfig:', (line) => `${line}\n\t${spoil}`);
  const poisoned = await at.build(await at.series({ Makefile: poison }));
  t.is(poisoned.exitCode, 0, poisoned.stderr);
  t.deepEqual(await snapshot(at), before);
  const [, source] = await at.series({ Makefile: (old) => `${poison(old)}\n# by --with` });
  const added = await at.build(['--with', source!]);
  t.is(added.exitCode, 0, added.stderr);
  t.deepEqual(await snapshot(at), before);
  const next = await at.build(await at.series({ 'init/one.c': 'int one(void) { return 1; }' }));
  t.is(next.exitCode, 0, next.stderr);
  t.deepEqual(await readdir(join(at.cache, 'kiln', 'scratch')), []);
  await at.build([
    ...(await at.series({ Makefile: (old) => `${poison(old)}\n# again` })),
    '--sandbox',
    'off',
  ]);
  t.notDeepEqual(await snapshot(at), before);
});

/** Everything that later builds use: the cached build directories and the objects of ccache. */
async function snapshot({ cache }: Toy): Promise<Record<string, string>> {
  const kept: Record<string, string> = {};
  for (const entry of await readdir(cache, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && /\/build\/|\/ccache\/[0-9a-f]\/.*[RM]$/.test(path))
      kept[path] = await readFile(path, 'hex');
  }
  return kept;
}

sandboxed('a suite with a link to a file outside it is refused', async (t) => {
  const at = await toy(t);
  const suite = join(at.dir, 'spies', 'spy');
  await mkdir(suite, { recursive: true });
  await writeFile(join(at.dir, 'secret'), 'THE SECRET\n');
  await writeFile(join(suite, 'spy.c'), 'asm(".incbin \\"secret.h\\"");\nint main(void) { return 0; }\n');
  await symlink(join(at.dir, 'secret'), join(suite, 'secret.h'));
  const { exitCode, stderr } = await at.build(['--tests', suite]);
  t.is(exitCode, 2, stderr);
  t.regex(stderr, /secret\.h is a link that leads out of/);
});

test.serial('without a sandbox, the run prints a warning', async (t) => {
  const at = await toy(t);
  const { exitCode, stderr } = await at.build(['--sandbox', 'off']);
  t.is(exitCode, 0, stderr);
  t.regex(stderr, /warning: what the series and the tests run at build time is not confined/);
});
