import type { Results } from '../results/schema.ts';
export const renderJunit = (_: Results): string => '';
