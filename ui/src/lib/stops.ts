import type { LockerView, NearbyView, ReservationView, SiteView } from './generated/view';
import type { What } from './here.svelte';
import { isEnded } from './reservation';

/** A place with something for the customer. */
export interface Stop {
  /** The locker, or the place where something is on its way to. */
  key: string;
  locker: LockerView | undefined;
  /** As the locker is called, or the place. */
  name: string;
  site: SiteView | null;
  /** Everything there, in the order of the list. */
  all: ReservationView[];
}

/** Which of the things to do at a place it is; nothing where there is no door for it yet. */
export function whatToDo(one: ReservationView): What | null {
  if (one.locker === null) return null;
  return one.kind === 'pickup' ? 'collect' : one.kind === 'return' ? 'dropOff' : 'own';
}

/** Until when the first of them waits, UNIX seconds: what is to be collected before what is to be dropped off. */
export function firstDeadline(all: readonly ReservationView[]): { what: What; until: number } | null {
  for (const what of ['collect', 'dropOff', 'own'] as const) {
    const until = Math.min(...all.filter((one) => whatToDo(one) === what).map((one) => one.until ?? Infinity));
    if (until < Infinity) return { what, until };
  }
  return null;
}

/** A day, seconds: what ends sooner comes first, however far it is. */
const SOON = 86_400;

/**
 * The places to go to. The locker in front comes first, then what ends within a day, then the nearest where that is known,
 * else as the core has them: what can be done now first, then by deadline. What is on its way belongs to a place that has
 * something else, or makes one of its own, last.
 */
export function stopsOf(
  reservations: readonly ReservationView[],
  locker: (id: string | null) => LockerView | undefined,
  nearby: NearbyView | null,
  metres: (site: SiteView | null) => number | null,
  now: number,
): Stop[] {
  const stops = new Map<string, Stop>();
  const coming: ReservationView[] = [];
  for (const one of reservations) {
    if (isEnded(one)) continue;
    if (one.locker === null) {
      coming.push(one);
      continue;
    }
    const known = locker(one.locker);
    const stop = stops.get(one.locker) ?? { key: one.locker, locker: known, name: known?.name ?? one.site?.name ?? '', site: one.site, all: [] };
    stop.all.push(one);
    stops.set(one.locker, stop);
  }
  const rank = (stop: Stop): number => {
    if (stop.key === nearby?.locker) return -2;
    const opens = stop.all.filter((one) => one.actions.includes('open'));
    if (opens.some((one) => one.until !== null && one.until - now < SOON)) return -1;
    const away = metres(stop.site);
    return opens.length > 0 && away !== null ? away : Infinity;
  };
  const order: readonly (What | null)[] = ['collect', 'dropOff', 'own', null];
  const sorted = [...stops.values()].sort((one, other) => {
    const [a, b] = [rank(one), rank(other)];
    return a === b ? 0 : a - b;
  });
  for (const one of coming) {
    const key = one.site?.name ?? '';
    const there = sorted.find((stop) => stop.site?.name === key && stop.site.address === one.site?.address);
    if (there) there.all.push(one);
    else sorted.push({ key: `coming ${key}`, locker: undefined, name: key, site: one.site, all: [one] });
  }
  for (const stop of sorted) stop.all.sort((one, other) => order.indexOf(whatToDo(one)) - order.indexOf(whatToDo(other)));
  return sorted;
}
