// SPDX-License-Identifier: MIT
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import { exec } from '../util/exec.ts';
import { exists } from '../util/files.ts';
import { sha256File } from '../util/hash.ts';
import { scratchDirectory } from '../util/scratch.ts';
import type { Archive } from './archive.ts';

/**
 * A kernel source package of Debian: the installed one, else downloaded with `apt-get download`, which needs no root
 * and checks the signature.
 * @param wanted PACKAGE or PACKAGE=VERSION
 */
export async function fetchDebian(wanted: string, context: Context): Promise<Archive> {
  const [name, version] = wanted.split('=') as [string, string | undefined];
  if (!/^linux-source-[0-9.]+$/.test(name))
    throw new KilnError('usage', `"debian:${wanted}" names no kernel source package`, {
      hint: 'for example debian:linux-source-6.12',
    });
  const installed = await installedVersion(name, context);
  const file = `/usr/src/${name}.tar.xz`;
  if (installed && (version === undefined || version === installed) && (await exists(file)))
    return {
      version: `${name} ${installed}`,
      sha256: await sha256File(file),
      tar: file,
      release: async () => {},
    };
  return download(name, wanted, context);
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

async function download(name: string, wanted: string, context: Context): Promise<Archive> {
  const scratch = await scratchDirectory(join(context.cache, 'scratch'));
  const dir = scratch.path;
  const release = async () => scratch[Symbol.asyncDispose]();
  try {
    context.progress(`downloading ${wanted}`);
    await aptDownload(dir, wanted, context);
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

/** Milliseconds. apt-get prints nothing during a download of 140 MB; it has its own timeouts for a dead server. */
const downloadSilence = 2 * 3600_000;

/** A machine that never ran `apt-get update` knows no packages: as root, run it and try once more. */
async function aptDownload(dir: string, wanted: string, context: Context): Promise<void> {
  const attempt = () =>
    exec('apt-get', ['download', '--quiet', wanted], {
      cwd: dir,
      signal: context.signal,
      silence: downloadSilence,
    });
  try {
    await attempt();
  } catch (cause) {
    context.signal.throwIfAborted();
    if (process.getuid?.() === 0) {
      context.progress('apt-get update');
      await exec('apt-get', ['update'], { signal: context.signal }).catch(() => {});
      const again = await attempt().then(
        () => true,
        () => false,
      );
      if (again) return;
    }
    throw new KilnError('infrastructure', `can't download ${wanted}`, {
      hint: 'run `apt-get update` as root and look at `apt-cache policy`, or name another base with --base',
      cause,
    });
  }
}
