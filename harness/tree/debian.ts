// SPDX-License-Identifier: MIT
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import { limits } from '../limits.ts';
import { exec } from '../util/exec.ts';
import { exists } from '../util/files.ts';
import { sha256File } from '../util/hash.ts';
import { scratchDirectory } from '../util/scratch.ts';
import type { Archive } from './archive.ts';

/**
 * A kernel source package of Debian: the installed one, else downloaded with `apt-get download`, which needs no root
 * and checks the signature.
 * @param wanted PACKAGE[=VERSION][@SUITE]; a suite, such as sid, is read without a change to the machine's sources
 */
export async function fetchDebian(wanted: string, context: Context): Promise<Archive> {
  const [, name, version, suite] =
    /^(linux-source-[0-9.]+)(?:=([A-Za-z0-9.+~:-]+))?(?:@([a-z0-9-]+))?$/.exec(wanted) ?? [];
  if (name === undefined)
    throw new KilnError('usage', `"debian:${wanted}" names no kernel source package`, {
      hint: 'for example debian:linux-source-6.12, debian:linux-source-7.2@sid',
    });
  const chosen = version === undefined ? name : `${name}=${version}`;
  if (suite !== undefined) return download(name, chosen, suite, context);
  const installed = await installedVersion(name, context);
  const file = `/usr/src/${name}.tar.xz`;
  if (installed && (version === undefined || version === installed) && (await exists(file)))
    return {
      version: `${name} ${installed}`,
      sha256: await sha256File(file),
      tar: file,
      release: async () => {},
    };
  return download(name, chosen, undefined, context);
}

/** In the notation of dpkg-query. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: see above
const format = '--showformat=${db:Status-Status} ${Version}';

async function installedVersion(name: string, context: Context): Promise<string | undefined> {
  const query = await exec('dpkg-query', ['--show', format, name], {
    signal: context.signal,
    okCodes: [0, 1],
  }).catch(() => undefined);
  return /^installed (.+)$/.exec(query?.stdout ?? '')?.[1];
}

async function download(
  name: string,
  wanted: string,
  suite: string | undefined,
  context: Context,
): Promise<Archive> {
  const scratch = await scratchDirectory(join(context.cache, 'scratch'));
  const dir = scratch.path;
  const release = async () => scratch[Symbol.asyncDispose]();
  try {
    const options = suite === undefined ? [] : await readSuite(suite, dir, context);
    context.progress(`downloading ${wanted}`);
    await aptDownload(dir, wanted, options, context);
    const deb = (await readdir(dir)).find((file) => file.endsWith('.deb'));
    if (!deb) throw new KilnError('infrastructure', `apt-get download ${wanted} left no package`);
    // name_version_all.deb, where apt writes an epoch's colon as %3a
    const version = decodeURIComponent(deb.split('_')[1] ?? '');
    await exec('dpkg-deb', ['--extract', join(dir, deb), join(dir, 'deb')], { signal: context.signal });
    const tar = join(dir, 'deb', 'usr', 'src', `${name}.tar.xz`);
    return { version: `${name} ${version}`, sha256: await sha256File(tar), tar, release };
  } catch (error) {
    await release();
    throw error;
  }
}

/** For a line of a sources.list. */
export const signedBy = '[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]';

/** Read a suite's list of packages from the machine's mirror. Returns apt's options with which it is used. */
async function readSuite(suite: string, dir: string, context: Context): Promise<string[]> {
  const { signal } = context;
  const targets = await exec('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages'], {
    signal,
  });
  const mirror =
    targets.stdout.split('\n').find((uri) => /\/debian\/?$/.test(uri)) ?? 'http://deb.debian.org/debian/';
  const options = await ownSources(join(dir, 'apt'), [`deb ${signedBy} ${mirror} ${suite} main`]);
  context.progress(`reading the packages of ${suite}`);
  await exec('apt-get', [...options, '--quiet', 'update'], { signal }).catch((cause) => {
    signal.throwIfAborted();
    throw new KilnError('infrastructure', `can't read Debian's ${suite} from ${mirror}`, {
      hint: `is ${suite} the name of a suite, and debian-archive-keyring installed?`,
      cause,
    });
  });
  return options;
}

/**
 * Options with which apt reads these sources instead of the machine's, and changes nothing outside of `state`.
 * @param lines of a sources.list
 */
export async function ownSources(state: string, lines: readonly string[]): Promise<string[]> {
  const list = join(state, 'sources.list');
  for (const name of ['lists/partial', 'archives/partial'])
    await mkdir(join(state, name), { recursive: true });
  await writeFile(list, lines.map((line) => `${line}\n`).join(''));
  await writeFile(join(state, 'status'), '');
  const settings = {
    'Dir::Etc::sourcelist': list,
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'Dir::State': state,
    'Dir::State::status': join(state, 'status'),
    'Dir::Cache': state,
    'Acquire::Languages': 'none',
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

/** A machine that never ran `apt-get update` knows no packages: as root, run it and try once more. */
async function aptDownload(dir: string, wanted: string, options: string[], context: Context): Promise<void> {
  const attempt = () =>
    exec('apt-get', [...options, 'download', '--quiet', wanted], {
      cwd: dir,
      signal: context.signal,
      silence: limits.download,
    });
  try {
    await attempt();
  } catch (cause) {
    context.signal.throwIfAborted();
    if (process.getuid?.() === 0 && options.length === 0) {
      context.progress('apt-get update');
      await exec('apt-get', ['update'], { signal: context.signal }).catch(() => {});
      const again = await attempt().then(
        () => true,
        () => false,
      );
      if (again) return;
    }
    const known = await packageNames(options, context);
    if (known.length > 0 && !known.includes(wanted.split('=')[0]!))
      throw new KilnError('bad-input', `apt knows no package ${wanted}`, {
        hint: `it knows ${known.join(', ')}; debian:PACKAGE@SUITE reads another suite, such as @sid`,
        cause,
      });
    throw new KilnError('infrastructure', `can't download ${wanted}`, {
      hint: 'run `apt-get update` as root and look at `apt-cache policy`, or name another base with --base',
      cause,
    });
  }
}

/** Kernel source packages that apt knows with these options. */
async function packageNames(options: string[], { signal }: Context): Promise<string[]> {
  const names = await exec('apt-cache', [...options, 'pkgnames', 'linux-source-'], {
    signal,
    okCodes: [0, 1, 100],
  });
  return names.stdout
    .split('\n')
    .filter((name) => /^linux-source-\d/.test(name))
    .sort();
}
