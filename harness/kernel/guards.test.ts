// SPDX-License-Identifier: MIT
import test from 'ava';
import { asText } from './expression.ts';
import { guardsOf } from './guards.ts';

/** The condition of the line `here`. */
function guard(text: string): string {
  return asText(guardsOf(text)[text.split('\n').indexOf('here')]!);
}

const cases = [
  ['here', 'y'],
  ['#ifdef CONFIG_A\nhere\n#endif', 'A'],
  ['#ifdef CONFIG_A\n#endif\nhere', 'y'],
  ['#ifndef CONFIG_A\nhere', '!A'],
  ['#ifdef CONFIG_A\n#else\nhere\n#endif', '!A'],
  ['#if defined(CONFIG_A) && !defined CONFIG_B\nhere', 'A && !B'],
  ['# if IS_ENABLED(CONFIG_A) || IS_BUILTIN( CONFIG_B ) /* why */\nhere', 'A || B'],
  ['#if CONFIG_NR > 8\nhere', 'NR>8'],
  ['#if CONFIG_NR == 8\nhere', 'NR=8'],
  ['#if 0\nhere', 'n'],
  ['#if 1 // why\nhere', 'y'],
  ['#ifdef CONFIG_A\n#elif defined(CONFIG_B)\nhere', '!A && B'],
  ['#ifdef CONFIG_A\n#ifdef CONFIG_B\nhere', 'A && B'],
  ['#if defined(CONFIG_A) || \\\n\tdefined(CONFIG_B)\nhere', 'A || B'],
  ['#ifdef DEBUG\nhere', '$(…)'],
  ['#if LINUX_VERSION > VERSION(6, 1)\nhere', '$(…)'],
  ['#if BITS == 64 && defined(CONFIG_A)\nhere', '$(…) && A'],
  ['#ifdef CONFIG_A_MODULE\nhere', 'n'],
  ['#ifndef _X_H\n#define _X_H\nhere\n#endif', 'y'],
  ['#ifndef _X_H\n#include "y.h"\nhere\n#endif', '!$(…)'],
  ['#ifdef __ASSEMBLY__\n#else\nhere', '!n'],
  ['#endif\n#else\nhere', 'y'],
] as const;

for (const [text, expected] of cases)
  test(`${text.replaceAll('\n', ' | ')}: ${expected}`, (t) => {
    t.is(guard(text), expected);
  });
