// SPDX-License-Identifier: MIT
import { CommanderError } from 'commander';
import { asKilnError, exits } from '../errors.ts';
import { printable } from './printable.ts';

/** Print what ended a program on stderr, and return its exit code. */
export function complain(program: string, error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exits.ok : exits.usage;
  const known = asKilnError(error);
  process.stderr.write(`${program}: ${printable(known.message)}\n`);
  if (known.details.output && known.code === 'infrastructure')
    process.stderr.write(`${printable(known.details.output).replace(/^/gm, '  ')}\n`);
  if (known.hint) process.stderr.write(`  ${known.hint}\n`);
  if (process.env.KILN_DEBUG) console.error(error);
  return known.exitCode;
}
