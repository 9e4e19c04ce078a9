// SPDX-License-Identifier: MIT
import { createCipheriv, createHash } from 'node:crypto';

/** Numbers from 0 to below 1, uniform and independent, the same for the same seed: AES in counter mode. */
export function randomFrom(seed: string): () => number {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(1 << 16);
  let numbers = new Uint32Array(0);
  let next = 0;
  return () => {
    if (next === numbers.length) {
      numbers = new Uint32Array(Uint8Array.from(cipher.update(zeros)).buffer);
      next = 0;
    }
    return numbers[next++]! / 2 ** 32;
  };
}
