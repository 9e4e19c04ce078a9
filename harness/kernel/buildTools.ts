// SPDX-License-Identifier: MIT
// Programs that only some configurations need. Without them a build fails when nearly all of it is done.
import { join } from 'node:path';
import { KilnError } from '../errors.ts';
import { exists } from '../util/files.ts';
import type { ConfigValues } from './dotConfig.ts';

const tools: { symbol: string; value: string; program: string; package: string }[] = [
  { symbol: 'KERNEL_BZIP2', value: 'y', program: 'bzip2', package: 'bzip2' },
  { symbol: 'KERNEL_GZIP', value: 'y', program: 'gzip', package: 'gzip' },
  { symbol: 'KERNEL_LZ4', value: 'y', program: 'lz4', package: 'lz4' },
  { symbol: 'KERNEL_LZMA', value: 'y', program: 'lzma', package: 'xz-utils' },
  { symbol: 'KERNEL_LZO', value: 'y', program: 'lzop', package: 'lzop' },
  { symbol: 'KERNEL_XZ', value: 'y', program: 'xz', package: 'xz-utils' },
  { symbol: 'KERNEL_ZSTD', value: 'y', program: 'zstd', package: 'zstd' },
  // The build makes a key for modules, unless it is given one.
  { symbol: 'MODULE_SIG_KEY', value: '"certs/signing_key.pem"', program: 'openssl', package: 'openssl' },
];

/** Throw bad-input if a program is missing that this configuration needs. @param path as $PATH */
export async function requireTools(config: ConfigValues, path = process.env.PATH ?? ''): Promise<void> {
  const dirs = path.split(':').filter((dir) => dir !== '');
  const isThere = async (program: string) =>
    (await Promise.all(dirs.map((dir) => exists(join(dir, program))))).includes(true);
  const wanted = tools.filter(({ symbol, value }) => config.get(symbol) === value);
  const found = await Promise.all(wanted.map(({ program }) => isThere(program)));
  const missing = wanted.filter((_, index) => !found[index]);
  if (missing.length === 0) return;
  const needs = missing.map(({ symbol, value, program }) => `CONFIG_${symbol}=${value} needs ${program}`);
  throw new KilnError('bad-input', `programs are missing: ${needs.join(', ')}`, {
    hint: `install ${missing.map((tool) => tool.package).join(' and ')} (Debian's names), or choose otherwise with --set, such as KERNEL_LZ4=y`,
  });
}
