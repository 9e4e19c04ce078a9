// SPDX-License-Identifier: MIT
import type { Guest } from '../guest/guest.ts';
import { examine, type Hang } from '../guest/hang.ts';
import { type Loss, nobody, type Session } from './session.ts';

/** Why a guest was lost and, if it fell silent, its state. */
export type Explained = { loss: Loss; hang: Hang | null };

/**
 * Examine a guest that fell silent. Its answers are not part of its logs, since it did not print them by itself. If
 * QEMU does not run the guest, the loss becomes `stuck`.
 * @param kernelDir the directory of its kernel
 */
export async function explain(
  loss: Loss,
  guest: Guest,
  session: Session,
  kernelDir: string,
): Promise<Explained> {
  if (loss.why !== 'silent') return { loss, hang: null };
  session.tell(nobody);
  const hang = await examine(guest, kernelDir);
  return { loss: hang.trouble ? { why: 'stuck', detail: hang.trouble } : loss, hang };
}
