// SPDX-License-Identifier: MIT
import type { Guest } from '../guest/guest.ts';
import { examine, type Hang } from '../guest/hang.ts';
import { type Loss, nobody, type Session } from './session.ts';

/** Why a guest was lost; and what it was found to do, if it was only silent. */
export type Explained = { loss: Loss; hang: Hang | null };

/**
 * A guest that fell silent is asked what it does. What it answers is no part of its logs: it would not have said it.
 * If QEMU is the one that does not go on, the loss says so.
 * @param kernelDir of the kernel that it runs
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
