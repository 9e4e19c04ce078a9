// SPDX-License-Identifier: MIT
// Installs Debian packages, where Kiln may do that. Written in zx, because it is mostly commands.
import { existsSync } from 'node:fs';
import { KilnError } from '../errors.ts';
import { findRequirements } from './requirements.ts';

/**
 * Install the host's missing programs and return their packages; `say` reports them. Without root or apt-get,
 * throw an error whose hint is the command to type.
 */
export async function installMissing(say: (line: string) => void): Promise<string[]> {
  const missing = (await findRequirements()).filter(({ version }) => version === undefined);
  if (missing.length === 0) return [];
  const packages = [...new Set(missing.map(({ requirement }) => requirement.package))];
  const names = missing.map(({ requirement }) => requirement.name).join(', ');
  // Imported only here, because loading zx takes longer than most commands.
  const { $ } = await import('zx');
  const prefix = await rootPrefix($);
  if (prefix === undefined) {
    throw new KilnError('infrastructure', `this machine lacks ${names}`, {
      hint: existsSync('/usr/bin/apt-get')
        ? `type: sudo apt-get install -y --no-install-recommends ${packages.join(' ')}`
        : `install what brings them (Debian's names: ${packages.join(' ')})`,
    });
  }
  say(`installing ${packages.join(' ')} (for ${names})`);
  const apt = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get'];
  const shell = $({ stdio: ['ignore', 'ignore', 'pipe'], quiet: true });
  const install = () => shell`${apt} install -y --no-install-recommends ${packages}`;
  try {
    // apt's package lists may be missing, or so old that their versions no longer exist.
    await install().catch(async () => {
      await shell`${apt} update`;
      await install();
    });
  } catch (cause) {
    throw new KilnError('infrastructure', `can't install ${packages.join(' ')}`, {
      hint: `look at what this says: sudo apt-get install ${packages.join(' ')}`,
      cause,
    });
  }
  return packages;
}

type Shell = typeof import('zx').$;

/** The prefix that runs a command as root; undefined if that needs a password or there is no apt-get. */
async function rootPrefix($: Shell): Promise<string[] | undefined> {
  if (!existsSync('/usr/bin/apt-get')) return undefined;
  if (process.getuid?.() === 0) return [];
  const sudo = await $({ quiet: true, nothrow: true, stdio: 'ignore' })`sudo -n true`;
  return sudo.exitCode === 0 ? ['sudo', '-n'] : undefined;
}
