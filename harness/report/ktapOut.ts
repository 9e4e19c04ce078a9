import type { Results } from '../results/schema.ts';
export const renderKtap = (_: Results): string => '';
