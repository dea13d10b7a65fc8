import type { SiteView } from './generated/view';
import { clean } from './untrusted';

/** Who shows the way. `system` leaves it to the device (RFC 5870), which not every device knows. */
export const MAPS = ['system', 'apple', 'google', 'osm'] as const;
export type Maps = (typeof MAPS)[number];

/** Whether a position is one: hubs send what they like. */
export function isPlace({ latitude, longitude }: { latitude: number; longitude: number }): boolean {
  return Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180;
}

/** The address that leads there. Nothing but the destination is in it. */
export function directions(maps: Maps, site: SiteView): string {
  const at = isPlace(site) ? `${site.latitude.toFixed(6)},${site.longitude.toFixed(6)}` : null;
  const name = encodeURIComponent(clean(site.name, 60));
  const to = at ?? encodeURIComponent(clean(site.address, 160));
  switch (maps) {
    case 'apple':
      return `https://maps.apple.com/?daddr=${to}&q=${name}`;
    case 'google':
      return `https://www.google.com/maps/dir/?api=1&destination=${to}`;
    case 'osm':
      return at ? `https://www.openstreetmap.org/directions?to=${to}` : `https://www.openstreetmap.org/search?query=${to}`;
    default:
      return at ? `geo:${at}?q=${at}(${name})` : `geo:0,0?q=${to}`;
  }
}
