// SPDX-License-Identifier: MIT
// A whole configuration to start from, such as a distribution's.
import { KilnError } from '../errors.ts';
import * as arch from '../guest/arch/x86_64.ts';
import { plural, several } from '../util/plural.ts';
import { readConfigFile } from './configFile.ts';
import { asLine, type Fragment, parseFragment, strayError } from './fragment.ts';

/** `leftOut`: lines that are not taken from the file. */
export type WholeConfig = { fragment: Fragment; leftOut: string[] };

/**
 * What a guest needs comes from the fragments that every kernel gets, and from `guestNeeds`. Modules stay modules.
 */
export async function readWholeConfig(path: string): Promise<WholeConfig> {
  const text = await readConfigFile(path);
  const { fragment, strays } = parseFragment(path, text, { need: 'optional', keepsModules: true });
  if (strays.length > 0) throw strayError(path, strays);
  if (!fragment.wishes.some(({ symbol, value }) => symbol === arch.kconfigSymbol && value === 'y')) {
    const other = /^# Linux\/(\S+)/m.exec(text)?.[1];
    throw new KilnError(
      'bad-input',
      `${path} is no configuration for ${arch.name}${other ? `, but for ${other}` : ''}`,
      {
        hint: `it lacks CONFIG_${arch.kconfigSymbol}=y; guests are ${arch.name}`,
      },
    );
  }
  const isForeign = ({ symbol, value }: { symbol: string; value: string }) =>
    filesOfBuild.get(symbol) !== undefined && !['""', filesOfBuild.get(symbol)].includes(value);
  return {
    fragment: { ...fragment, wishes: fragment.wishes.filter((wish) => !isForeign(wish)) },
    leftOut: fragment.wishes.filter(isForeign).map(asLine),
  };
}

/**
 * Symbols that name files for the build, with the value that needs no such file. The files are the author's: without
 * them nothing can be linked, and an initramfs or firmware would become part of every guest.
 */
const filesOfBuild = new Map([
  ['ACPI_CUSTOM_DSDT_FILE', '""'],
  ['BOOT_CONFIG_EMBED_FILE', '""'],
  ['CFG80211_EXTRA_REGDB_KEYDIR', '""'],
  ['EXTRA_FIRMWARE', '""'],
  ['INITRAMFS_SOURCE', '""'],
  ['IPE_BOOT_POLICY', '""'],
  ['MODULE_SIG_KEY', '"certs/signing_key.pem"'],
  ['SYSTEM_BLACKLIST_HASH_LIST', '""'],
  ['SYSTEM_REVOCATION_KEYS', '""'],
  ['SYSTEM_TRUSTED_KEYS', '""'],
  ['UNUSED_KSYMS_WHITELIST', '""'],
]);

/** What no fragment of Kiln's sets, but another configuration may: the guest's command line is Kiln's. */
export const guestNeeds: Fragment = parseFragment(
  'a guest',
  '# CONFIG_CMDLINE_OVERRIDE is not set\n',
).fragment;

/** Sentences for the user about what becomes of a whole configuration; `everywhere`: fragments that every kernel gets. */
export function describeWholeConfig(
  { fragment, leftOut }: WholeConfig,
  everywhere: readonly Fragment[],
): string[] {
  const changes = differences(fragment, everywhere);
  const modules = fragment.wishes.filter(({ value }) => value === 'm').length;
  return [
    ...(changes.length === 0
      ? []
      : [`changed in ${fragment.name}, because a guest needs it: ${several(changes, 30)}`]),
    ...(leftOut.length === 0
      ? []
      : [`left out of ${fragment.name}, because only its author has these files: ${leftOut.join(', ')}`]),
    ...(modules === 0
      ? []
      : [
          `${plural(modules, 'option')} of ${fragment.name} are =m, and no modules are built: --set X=y builds X in`,
        ]),
  ];
}

/** What a guest needs and a whole configuration has otherwise: config lines, each with the value there. */
export function differences(whole: Fragment, fragments: readonly Fragment[]): string[] {
  const values = new Map(whole.wishes.map(({ symbol, value }) => [symbol, value]));
  return fragments
    .flatMap(({ wishes }) => wishes)
    .filter(({ need, symbol, value }) => need === 'needed' && (values.get(symbol) ?? 'n') !== value)
    .map((wish) => `${asLine(wish)} (${values.get(wish.symbol) ?? 'n'} there)`);
}
