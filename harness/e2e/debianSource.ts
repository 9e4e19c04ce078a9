// SPDX-License-Identifier: MIT
// Debian's source package of the kernel: upstream's source, and the patches that Debian applies to it.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultBase } from '../job/plan.ts';
import { ownSources, signedBy } from '../tree/debian.ts';
import { exec } from '../util/exec.ts';

/** `base`: upstream's source, a value for --base. `patches`: the directory debian/patches, which has a file `series`. */
export type DebianSource = { version: string; base: string; patches: string };

/**
 * Fetch the patches of the newest version that the machine's mirror has, of the kernel that the default base has. apt
 * checks the signatures. Kiln fetches the base itself when it is used, once.
 * @param dir an empty directory
 */
export async function fetchDebianSource(dir: string): Promise<DebianSource> {
  const [, series] = /^debian:linux-source-(\S+)$/.exec(defaultBase) ?? [];
  const options = await ownSources(join(dir, 'apt'), await sourcesOfMachine());
  const apt = (program: string, args: string[], okCodes = [0]) =>
    exec(program, [...options, '--quiet', ...args], { cwd: dir, okCodes });
  await apt('apt-get', ['update']);
  const known = await apt('apt-cache', ['showsrc', '--only-source', 'linux', `linux-${series}`], [0, 100]);
  const versions = [...known.stdout.matchAll(/^Package: (\S+)\n(?:.+\n)*?Version: (\S+)$/gm)]
    .map(([, name, version]) => ({ name: name!, version: version! }))
    .filter(({ version }) => version.startsWith(`${series}.`))
    .sort((a, b) => b.version.localeCompare(a.version, 'en', { numeric: true }));
  for (const { name, version } of versions) {
    const wanted = `${name}=${version}`;
    // A mirror may list more than it has.
    const { exitCode } = await apt('apt-get', ['source', '--download-only', '--diff-only', wanted], [0, 100]);
    if (exitCode !== 0) continue;
    const uris = await apt('apt-get', ['source', '--print-uris', '--tar-only', wanted]);
    const [, url, hash] = /^'(\S+\.orig\.tar\.\w+)' \S+ \d+ SHA256:(\w+)$/m.exec(uris.stdout) ?? [];
    if (url === undefined) throw new Error(`apt-get source ${wanted} names no .orig.tar:\n${uris.stdout}`);
    const archive = (await readdir(dir)).find((file) => file.includes('.debian.tar.'))!;
    await exec('tar', ['--extract', '--file', archive, 'debian/patches'], { cwd: dir });
    return { version, base: `tar:${url}#sha256=${hash}`, patches: join(dir, 'debian', 'patches') };
  }
  throw new Error(
    `the mirror has no source package of Linux ${series}; it lists ${versions.length} versions`,
  );
}

/** The machine's sources of Debian's packages, as sources of source packages. */
async function sourcesOfMachine(): Promise<string[]> {
  const { stdout } = await exec('apt-get', [
    ...['indextargets', '--format', '$(REPO_URI) $(RELEASE)', 'Created-By: Packages'],
  ]);
  const places = stdout.split('\n').filter((line) => /\/debian(?:-security)?\/? \S/.test(line));
  if (places.length === 0) throw new Error('no mirror of Debian is among the sources of this machine');
  return [...new Set(places)].map((place) => `deb-src ${signedBy} ${place} main`);
}
