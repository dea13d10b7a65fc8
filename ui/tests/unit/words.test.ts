import { beforeEach, describe, expect, test, vi } from 'vitest';
import { lindenhof, NOW, receipts, reservation } from '../../fixtures/base';
import { plan, whereInWords } from '../../src/lib/cabinet';
import { countdown, groups, habitMoment, timeLeft } from '../../src/lib/format';
import { choose, own, t, tCode, useLanguage } from '../../src/lib/i18n/i18n.svelte';
import { base64url } from '../../src/lib/photo';
import { receiptsCsv } from '../../src/lib/receipts';
import { parseRoute, routeHash } from '../../src/lib/route';
import { almost, searchIndex } from '../../src/lib/search';
import { filterSites, freeDoors } from '../../src/lib/sites';
import { clean, isolated } from '../../src/lib/untrusted';
import type { FoundSiteView } from '../../src/lib/generated/view';

beforeEach(() => useLanguage('en'));

describe('where a door is', () => {
  test.each([
    [1, 'top row, far left'],
    [7, 'second row from the bottom, second from the left'],
    [6, 'second row from the top, second from the left'],
    [12, 'bottom row, second from the right'],
    [16, 'bottom row, far right'],
  ])('door %d: %s', (door, words) => expect(whereInWords(lindenhof, door)).toBe(words));

  test('in other languages', async () => {
    await useLanguage('de');
    expect(whereInWords(lindenhof, 7)).toBe('zweite Reihe von unten, zweite Spalte von links');
    await useLanguage('pl');
    expect(whereInWords(lindenhof, 16)).toBe('rząd najniższy, skrajnie po prawej');
    await useLanguage('uk');
    expect(whereInWords(lindenhof, 7)).toBe('другий ряд знизу, другий зліва');
  });

  test('nothing where the cabinet or the door is not known', () => {
    expect(whereInWords(undefined, 3)).toBe('');
    expect(whereInWords(lindenhof, 99)).toBe('');
    expect(whereInWords(lindenhof, null)).toBe('');
  });

  test('one column and one row have no words for what is only one', () => {
    const tower = { ...lindenhof, doors: lindenhof.doors.filter((door) => door.column === 0) };
    expect(whereInWords(tower, 1)).toBe('top row');
    const shelf = { ...lindenhof, doors: lindenhof.doors.filter((door) => door.row === 0) };
    expect(whereInWords(shelf, 1)).toBe('far left');
  });

  test('the drawing stays finite, whatever the hub says', () => {
    const doors = Array.from({ length: 9000 }, (_, at) => ({ ...lindenhof.doors[0]!, door: at, column: 65_535 - at, row: 0, height: 65_535 }));
    const drawing = plan({ ...lindenhof, doors });
    expect(drawing.doors.length).toBeLessThanOrEqual(400);
    expect(drawing.height).toBeLessThan(100);
    expect(plan({ ...lindenhof, doors: [] }).width).toBeGreaterThan(0);
  });
});

describe('untrusted text', () => {
  test('loses controls and direction marks, keeps letters', () => {
    expect(clean('a\u0000b\u202Ec\u2067d\u200Fe\u00ADf\n\tg')).toBe('a bcdef g');
    expect(clean('Zażółć, їжак, מזל, 荷物 🎁')).toBe('Zażółć, їжак, מזל, 荷物 🎁');
  });
  test('is cut by code point, and says that it was', () => {
    expect(clean('🎁🎁🎁🎁', 3)).toBe('🎁🎁…');
    expect(Array.from(clean('x'.repeat(1_000_000), 120))).toHaveLength(120);
  });
  test('cannot paint over other lines', () => expect(clean(`a${'\u0335'.repeat(50)}`)).toBe('a\u0335\u0335\u0335'));
  test('is isolated inside a sentence, our own words are not', () => {
    expect(t('detail.open', { label: 'B3' })).toBe('Open \u2068B3\u2069');
    expect(t('detail.untilWhen', { when: own('Friday') })).toBe('until Friday');
    expect(isolated('\u2069x')).toBe('\u2068x\u2069');
  });
  test('braces and tags of untrusted values are not read as a message', () => expect(t('detail.open', { label: '{count} <b>' })).toContain('{count} <b>'));
});

describe('messages', () => {
  test('a code newer than this page falls back to words', () => {
    expect(tCode('problem', 'somethingNew', 'problem.unknown')).toBe('Something went wrong');
    expect(tCode('event', '__proto__', 'event.unknown')).toBe('Something else happened');
  });
  test('the language of the system is taken where it is offered', () => {
    expect(choose(['fr-FR', 'pl-PL', 'de'], ['en', 'de', 'pl', 'uk'])).toBe('pl');
    expect(choose(['fr'], ['de', 'en'])).toBe('de');
    expect(choose([], [])).toBe('en');
  });
  test('plurals', async () => {
    await useLanguage('pl');
    expect([1, 2, 5, 22].map((days) => t('left.days', { days }))).toEqual(['został 1 dzień', 'zostały 2 dni', 'zostało 5 dni', 'zostały 22 dni']);
    await useLanguage('uk');
    expect([1, 3, 11, 21].map((days) => t('left.days', { days }))).toEqual(['ще 1 день', 'ще 3 дні', 'ще 11 днів', 'ще 21 день']);
  });
});

describe('time', () => {
  test.each([[-1, 'Expired'], [30, '1 minute left'], [3000, '50 minutes left'], [3600 * 3, '3 h left'], [3600 * 5 + 90, '5 h 2 min left'], [86_400 * 2 + 5, '2 days left'], [86_400 * 3 - 180, '2 days 23 h left'], [86_400 * 9 - 180, '8 days left']])('%d s: %s', (seconds, words) =>
    expect(timeLeft(NOW + seconds, NOW)).toBe(words));
  test('countdowns', () => expect([245, 59.2, -3].map(countdown)).toEqual(['4:05', '1:00', '0:00']));
  test('a PIN is grouped, and only letters and digits of it are shown', () => expect(groups('4821\u202E0937<')).toBe('4821 0937'));
  test('a habit is told in local time', () => {
    vi.stubEnv('TZ', 'UTC');
    expect(habitMoment({ weekday: 0, hour: 17 }, NOW)).toEqual({ day: own('Monday'), time: own('17:00') });
    vi.unstubAllEnvs();
  });
});

describe('routes', () => {
  test.each(['#/', '#/activity', '#/find', '#/settings', '#/r/a%2Fb'])('%s', (hash) => expect(routeHash(parseRoute(hash))).toBe(hash));
  test('anything odd is home', () => expect([parseRoute('#/r/%E0%A4%A'), parseRoute('#/x'), parseRoute('')]).toEqual([{ screen: 'home' }, { screen: 'home' }, { screen: 'home' }]));
});

describe('search', () => {
  const all = [reservation({ id: 'a', title: 'Żółte buty' }), reservation({ id: 'b', title: 'Tea', label: 'A4' })];
  test('ignores case and accents, and wants every word', () => {
    const find = searchIndex(all);
    expect(find('ZOLTE').map((one) => one.id)).toEqual(['a']);
    expect(find('żółte heron').map((one) => one.id)).toEqual(['a']);
    expect(find('a4').map((one) => one.id)).toEqual(['b']);
    expect(find('  ')).toBe(all);
  });
  test('forgives one slip a word, where nothing has it as it is', () => {
    for (const slip of ['shoes', 'shos', 'shooes', 'shose', 'shoer']) expect([slip, almost(slip, 'shoes')]).toEqual([slip, true]);
    for (const other of ['shirt', 'xhoez', 'sohse', 'tent']) expect([other, almost(other, 'shoes')]).toEqual([other, false]);
    const find = searchIndex([reservation({ id: 'a', title: 'Running shoes' }), reservation({ id: 'b', title: 'Show tickets' })]);
    expect(find('runing shoe').map((one) => one.id)).toEqual(['a']);
    expect(find('rnu').map((one) => one.id)).toEqual([]);
  });
});

describe('receipts as a table', () => {
  test('quotes, and never starts a formula', () => {
    const csv = receiptsCsv([{ ...receipts[0]!, title: '=HYPERLINK("x"),\n1', locker: 'a,b' }]);
    expect(csv.split('\r\n')[1]).toContain(`"'=HYPERLINK(""x""), 1","a,b"`);
    expect(csv.split('\r\n')).toHaveLength(3);
  });
});

test('sites are filtered by size, hours and steps', () => {
  const one = (change: Partial<FoundSiteView>): FoundSiteView => ({
    id: 'x', site: { name: '', address: '', latitude: 0, longitude: 0 }, hours: '', alwaysOpen: true, access: 'public', stepFree: true,
    fill: [{ size: 's', free: 2, total: 4 }, { size: 'm', free: 0, total: 1 }], distance: null, ...change,
  });
  const sites = { loading: false, problem: null, sites: [one({ id: 'a' }), one({ id: 'b', alwaysOpen: false }), one({ id: 'c', stepFree: false })] };
  const ids = (filter: { size: string | null; openNow: boolean; stepFree: boolean }) => filterSites(sites, filter).map((site) => site.id);
  expect(ids({ size: null, openNow: false, stepFree: false })).toEqual(['a', 'b', 'c']);
  expect(ids({ size: 'm', openNow: false, stepFree: false })).toEqual([]);
  expect(ids({ size: 's', openNow: true, stepFree: true })).toEqual(['a']);
  expect(freeDoors(sites.sites[0]!, null)).toBe(2);
});

test('base64url is RFC 4648, section 5, without padding', () => expect(base64url(new Uint8Array([251, 255, 191, 1]))).toBe('-_-_AQ'));
