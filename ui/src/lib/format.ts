import { currentLocale, own, t, type Own } from './i18n/i18n.svelte';

const cache = new Map<string, Intl.DateTimeFormat>();

function dateFormat(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = currentLocale() + JSON.stringify(options);
  let format = cache.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat(currentLocale(), options);
    cache.set(key, format);
  }
  return format;
}

const TIME: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit' };

/** Days between two moments by the calendar of this device. */
function calendarDays(from: number, to: number): number {
  const midnight = (seconds: number) => {
    const date = new Date(seconds * 1000);
    return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  };
  return Math.round((midnight(to) - midnight(from)) / 86_400_000);
}

/** A moment as people say it: `today, 14:05` (`14:05` where it is short), `Thursday, 20:00`, `12 March, 09:30`. UNIX seconds. */
export function moment(at: number, now: number, short = false): string {
  const date = new Date(at * 1000);
  const time = dateFormat(TIME).format(date);
  const days = calendarDays(now, at);
  if (days === 0 && short) return time;
  if (days === 0) return t('time.today', { time: own(time) });
  if (days === 1) return t('time.tomorrow', { time: own(time) });
  if (days === -1) return t('time.yesterday', { time: own(time) });
  const day =
    days > 1 && days < 7
      ? dateFormat({ weekday: 'long' }).format(date)
      : dateFormat({
          day: 'numeric',
          month: 'long',
          ...(date.getFullYear() === new Date(now * 1000).getFullYear() ? {} : { year: 'numeric' }),
        }).format(date);
  return t('time.on', { day: own(day), time: own(time) });
}

/** Date and time in full, for receipts. UNIX seconds. */
export function exact(at: number): string {
  return dateFormat({ dateStyle: 'medium', timeStyle: 'medium' }).format(new Date(at * 1000));
}

/** A date. UNIX seconds. */
export function day(at: number): string {
  return dateFormat({ weekday: 'short', day: 'numeric', month: 'short' }).format(new Date(at * 1000));
}

/** How long until `until`: `2 days left`, `3 h 20 min left`, or that it is over. UNIX seconds. */
export function timeLeft(until: number, now: number): string {
  const seconds = until - now;
  if (seconds <= 0) return t('left.over');
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return t('left.minutes', { minutes });
  const hours = Math.floor(minutes / 60);
  if (minutes < 24 * 60) return minutes % 60 === 0 ? t('left.fullHours', { hours }) : t('left.hours', { hours, minutes: minutes % 60 });
  const days = Math.floor(hours / 24);
  return hours % 24 === 0 || days >= 7 ? t('left.days', { days }) : t('left.daysHours', { days, hours: hours % 24 });
}

/** Less than a day is left. */
export function isUrgent(until: number | null, now: number): boolean {
  return until !== null && until - now < 86_400;
}

/** Minutes and seconds, `4:05`. */
export function countdown(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

/** A PIN in groups of four, so that it can be read and typed. */
export function groups(pin: string): string {
  return pin.replace(/[^0-9A-Za-z]/g, '').replace(/(.{4})(?=.)/g, '$1 ');
}

/** The weekday and hour of a habit, which the core keeps in UTC, as this device's clock has them. */
export function habitMoment(habit: { weekday: number; hour: number }, now: number): { day: Own; time: Own } {
  // 1970-01-05 was a Monday; the week of `now` gives the present offset from UTC.
  const week = Math.floor((now - 4 * 86_400) / (7 * 86_400));
  const at = new Date((4 * 86_400 + (week * 7 + habit.weekday) * 86_400 + habit.hour * 3600) * 1000);
  return { day: own(dateFormat({ weekday: 'long' }).format(at)), time: own(dateFormat(TIME).format(at)) };
}
