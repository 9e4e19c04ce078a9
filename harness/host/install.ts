// SPDX-License-Identifier: MIT
// A set-up script in zx: Debian's packages, where we may install them.
import { existsSync } from 'node:fs';
import { KilnError } from '../errors.ts';
import { findRequirements } from './requirements.ts';

/**
 * Install what is missing of the host's programs, saying which. Where that needs a password or another
 * distribution's ways, stop with the line to type. Returns the packages installed.
 */
export async function installMissing(say: (line: string) => void): Promise<string[]> {
  const missing = (await findRequirements()).filter(({ version }) => version === undefined);
  if (missing.length === 0) return [];
  const packages = [...new Set(missing.map(({ requirement }) => requirement.package))];
  const names = missing.map(({ requirement }) => requirement.name).join(', ');
  // Only here: loading zx takes longer than most commands.
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
    // A machine that never updated knows no packages; an old list names versions that are gone.
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

/** The words that make a command root's, or undefined if that is not to be had without asking. */
async function rootPrefix($: Shell): Promise<string[] | undefined> {
  if (!existsSync('/usr/bin/apt-get')) return undefined;
  if (process.getuid?.() === 0) return [];
  const sudo = await $({ quiet: true, nothrow: true, stdio: 'ignore' })`sudo -n true`;
  return sudo.exitCode === 0 ? ['sudo', '-n'] : undefined;
}
