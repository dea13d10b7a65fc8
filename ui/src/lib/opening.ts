import type { KindView, OpeningPhase, OpeningView, ReservationView } from './generated/view';
import { t, tCode } from './i18n/i18n.svelte';

/** Steps on the way to an open door, in order. */
export const STEPS = ['searching', 'connecting', 'proving', 'asked'] as const;

/** On the way: neither open nor given up. */
export function isMoving(phase: OpeningPhase): boolean {
  return (STEPS as readonly string[]).includes(phase.step);
}

/**
 * How the door is drawn: `seeking` while the locker is listened for, `heard` while it is spoken to, `straining` once it
 * was asked, `open` by its receipt, `ajar` where nobody knows, `stuck` where it did not open.
 */
export type BigDoorLook = 'seeking' | 'heard' | 'straining' | 'open' | 'ajar' | 'stuck' | 'shut';

/** How the door is drawn. */
export function bigDoorLook(phase: OpeningPhase): BigDoorLook {
  switch (phase.step) {
    case 'searching':
      return 'seeking';
    case 'connecting':
    case 'proving':
      return 'heard';
    case 'asked':
      return 'straining';
    case 'opened':
      return 'open';
    case 'mayBeOpen':
      return 'ajar';
    case 'failed':
      return 'stuck';
    default:
      return 'shut';
  }
}

/** The sign on the door: it is done, or it wants to be looked at. */
export function bigDoorBadge(phase: OpeningPhase, done: boolean): 'check' | 'alert' | null {
  switch (phase.step) {
    case 'closed':
      return done ? 'check' : null;
    case 'opened':
      return phase.leftOpen ? 'alert' : null;
    case 'mayBeOpen':
    case 'failed':
      return 'alert';
    default:
      return null;
  }
}

/** What is, in few words. */
export function statusWords(opening: OpeningView, reservation: ReservationView | undefined): string {
  const { phase, label } = opening;
  switch (phase.step) {
    case 'opened':
      return phase.leftOpen ? t('opening.leftOpen', { label }) : t('opening.opened', { label });
    case 'closed':
      if (reservation?.state === 'collected') return t('opening.collected');
      if (reservation?.state === 'deposited') return t('opening.closedReturn', { label });
      return t(reservation?.kind === 'return' && reservation.inside === false ? 'opening.closedEmpty' : 'opening.closed', { label });
    case 'mayBeOpen':
      return t('opening.mayBeOpen', { label });
    case 'failed':
      return t('opening.failed', { label });
    default:
      return tCode('opening', phase.step, 'opening.searching', { label });
  }
}

/** What the locker measured behind the closed door, and signed; nothing where it did not. */
export function measured(reservation: ReservationView | undefined): string {
  if (reservation === undefined || reservation.inside === null) return '';
  if (reservation.kind === 'return' && !reservation.inside) return t('opening.closedEmpty.now');
  if (reservation.kind === 'pickup') return reservation.inside ? t('opening.closedFull.now') : '';
  return t(reservation.inside ? 'inside.present' : 'inside.absent');
}

/** What to do now, or what is being done. */
export function statusHint(opening: OpeningView, reservation: ReservationView | undefined): string {
  const { phase, label } = opening;
  const kind: KindView = reservation?.kind ?? 'pickup';
  switch (phase.step) {
    case 'opened':
      if (phase.leftOpen) return t('opening.leftOpen.now');
      return [
        t(kind === 'pickup' ? 'opening.opened.take' : kind === 'return' ? 'opening.opened.put' : 'opening.opened.use'),
        opening.alreadyOpen ? t('opening.opened.already') : '',
      ].join(' ').trim();
    case 'closed':
      if (reservation?.state === 'collected') return t('opening.collected.now');
      if (reservation?.state === 'deposited') return t(reservation.unproven ? 'opening.closedReturn.unproven' : 'opening.closedReturn.now');
      return measured(reservation);
    case 'mayBeOpen':
      return t(phase.asking ? 'opening.mayBeOpen.asking' : 'opening.mayBeOpen.now', { label });
    default:
      return tCode('opening', `${phase.step}.now`, 'opening.searching.now', { label });
  }
}
