import type { DoorLook } from '../components/DoorPlate.svelte';
import { isUrgent, moment, timeLeft } from './format';
import type { OutboxView, ReservationView, StateView } from './generated/view';
import { own, t } from './i18n/i18n.svelte';
import { clean } from './untrusted';

const ENDED: readonly StateView[] = ['collected', 'returned', 'accepted', 'refused', 'released', 'cancelled', 'deposited'];

/** Nothing more is to be done with it. */
export function isEnded(reservation: ReservationView): boolean {
  return ENDED.includes(reservation.state);
}

/** How its door is drawn. */
export function doorLook(reservation: ReservationView): DoorLook {
  switch (reservation.state) {
    case 'announced':
    case 'inTransit':
      return 'coming';
    case 'mayBeOpen':
    case 'opened':
      return 'ajar';
    case 'collected':
    case 'accepted':
    case 'deposited':
      return 'done';
    case 'expired':
      return reservation.actions.includes('open') ? 'lit' : 'ended';
    case 'returned':
    case 'refused':
    case 'cancelled':
    case 'released':
      return 'ended';
    default:
      return reservation.actions.includes('open') ? 'lit' : 'shut';
  }
}

/** Its state in words. */
export function stateWords(reservation: ReservationView): string {
  return t(`state.${reservation.state}`);
}

/** Its deadline in words, or nothing where there is none that matters any more. */
export function deadlineWords(reservation: ReservationView, now: number): string {
  if (reservation.until === null || isEnded(reservation)) return '';
  return isUrgent(reservation.until, now)
    ? timeLeft(reservation.until, now)
    : t('detail.untilWhen', { when: own(moment(reservation.until, now)) });
}

/** How it has to be kept, and until when it keeps, in words: nothing where it is as any other, or over. */
export function careWords(reservation: ReservationView, now: number): string[] {
  const { care } = reservation;
  if (!care || isEnded(reservation)) return [];
  const words = (['chilled', 'frozen', 'fragile'] as const).filter((one) => care[one]).map((one) => t(`care.${one}`));
  const { keepsUntil, keepsHours } = care;
  // Once that is over, its deadline says so.
  if (keepsUntil !== null && now < keepsUntil) words.push(t('care.keeps', { when: own(moment(keepsUntil, now, true)) }));
  else if (keepsUntil === null && keepsHours !== null) words.push(t('care.hours', { hours: keepsHours }));
  return words;
}

/** The one thing to do with it now, in words; nothing where there is only waiting. */
export function nextStep(reservation: ReservationView): string {
  const { actions, kind } = reservation;
  const label = clean(reservation.label ?? '', 12);
  if (actions.includes('resolve')) return t('next.resolve', { label });
  if (actions.includes('confirmPlaced')) return t('next.placed', { label });
  if (actions[0] === 'confirmTaken') return t(isMissed(reservation, []) ? 'event.disputed' : 'next.confirm');
  if (actions.includes('open')) return kind === 'storage' ? '' : t(kind === 'return' ? 'next.dropOff' : 'next.collect', { label });
  return '';
}

/** The customer said that something was missing: the hub knows it, or the word is on its way there. */
export function isMissed({ id, timeline }: ReservationView, outbox: OutboxView[]): boolean {
  return timeline.some((one) => one.event === 'disputed') || outbox.some((one) => one.what === 'confirmTaken' && one.reservation === id);
}

/** Collected, and with a reference that the carrier knows: it can be booked to go back by that alone. */
export function isReturnable({ kind, state, guest, reference }: ReservationView): boolean {
  return kind === 'pickup' && state === 'collected' && !guest && reference !== null && reference.trim() !== '';
}
