import { describe, expect, test } from 'vitest';
import { box, coming, DAY, HOUR, jacket, lindenhof, nordbahnhof, NOW, reservation, shoes } from '../../fixtures/base';
import type { NearbyView, ReservationView } from '../../src/lib/generated/view';
import { firstDeadline, stopsOf } from '../../src/lib/stops';

const lockers = new Map([lindenhof, nordbahnhof].map((one) => [one.id, one]));
const away = { name: 'Nordbahnhof', address: 'Invalidenstraße 1', latitude: 52.6, longitude: 13.4 };
const kettle = reservation({ id: 'r-kettle', locker: nordbahnhof.id, site: away, until: NOW + 3 * DAY });
const order = (all: ReservationView[], nearby: NearbyView | null = null, metres: (name: string) => number | null = () => null) =>
  stopsOf(all, (id) => lockers.get(id ?? ''), nearby, (site) => metres(site?.name ?? ''), NOW).map((stop) => [stop.name, ...stop.all.map((one) => one.id)]);

describe('places to go to', () => {
  test('are one for each locker, in the order of the list, with what is to be collected first', () => {
    expect(order([box, jacket, kettle, shoes])).toEqual([
      ['Lindenhof 1', 'r-shoes', 'r-jacket', 'r-box'],
      ['Nordbahnhof 2', 'r-kettle'],
    ]);
  });

  test('what ends within a day comes before what is near, and the locker in front before everything', () => {
    const near = (name: string) => (name === 'Lindenhof' ? 40 : 9000);
    expect(order([shoes, kettle], null, near)[0]?.[0]).toBe('Lindenhof 1');
    expect(order([shoes, { ...kettle, until: NOW + 3 * HOUR }], null, near)[0]?.[0]).toBe('Nordbahnhof 2');
    const here = { locker: lindenhof.id, name: 'Lindenhof 1', collect: ['r-shoes'], dropOff: [], own: [] };
    expect(order([shoes, { ...kettle, until: NOW + 3 * HOUR }], here, near)[0]?.[0]).toBe('Lindenhof 1');
  });

  test('the nearest comes first only where something can be opened', () => {
    const near = (name: string) => (name === 'Lindenhof' ? 40 : 9000);
    expect(order([kettle, { ...shoes, actions: ['report'] }], null, near)[0]?.[0]).toBe('Nordbahnhof 2');
  });

  test('what is on its way is with its place, or is a place of its own at the end; what ended is none', () => {
    expect(order([coming, kettle, shoes, { ...jacket, state: 'accepted' }])).toEqual([
      ['Nordbahnhof 2', 'r-kettle'],
      ['Lindenhof 1', 'r-shoes', 'r-lamp'],
    ]);
    expect(order([coming, kettle])).toEqual([
      ['Nordbahnhof 2', 'r-kettle'],
      ['Lindenhof', 'r-lamp'],
    ]);
  });

  test('the first deadline is one to collect by, where there is any', () => {
    expect(firstDeadline([jacket, shoes])).toEqual({ what: 'collect', until: shoes.until });
    expect(firstDeadline([jacket, box])).toEqual({ what: 'dropOff', until: jacket.until });
    expect(firstDeadline([box, coming])).toBeNull();
  });
});
