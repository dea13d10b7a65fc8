import type { FoundSiteView, SitesView, SiteView } from './generated/view';
import { currentLocale, t } from './i18n/i18n.svelte';

/** Sizes as the hub's contract names them. */
export const SIZES = ['xs', 's', 'm', 'l', 'xl'] as const;

/** Free doors of a size, or of all sizes. */
export function freeDoors(site: FoundSiteView, size: string | null): number {
  return site.fill.filter((one) => size === null || one.size === size).reduce((sum, one) => sum + one.free, 0);
}

/** What the finder is asked for. */
export interface SiteFilter {
  size: string | null;
  openNow: boolean;
  stepFree: boolean;
}

/** The sites that pass; order kept. */
export function filterSites(sites: SitesView | null, filter: SiteFilter): FoundSiteView[] {
  return (sites?.sites ?? []).filter(
    (one) =>
      (filter.size === null || freeDoors(one, filter.size) > 0) &&
      (!filter.openNow || one.alwaysOpen) &&
      (!filter.stepFree || one.stepFree),
  );
}

/** When a place is open, where the finder has learnt that; nothing otherwise. */
export function hoursAt(sites: SitesView | null, site: SiteView | null): string {
  const found = sites?.sites.find((one) => one.site.name === site?.name && one.site.address === site.address);
  if (!found) return '';
  return found.alwaysOpen ? t('find.alwaysOpen') : found.hours;
}

/** `120 m`, `1.4 km`. */
export function distance(metres: number): string {
  const kilometres = metres >= 1000;
  return new Intl.NumberFormat(currentLocale(), {
    style: 'unit',
    unit: kilometres ? 'kilometer' : 'meter',
    maximumFractionDigits: kilometres && metres < 10_000 ? 1 : 0,
  }).format(kilometres ? metres / 1000 : Math.round(metres / 10) * 10);
}

/** A point on the earth, WGS 84. */
export interface Place {
  latitude: number;
  longitude: number;
}

/** Metres between two points along the surface (haversine, a sphere of 6,371 km: good to half a per cent). */
export function metresBetween(one: Place, other: Place): number {
  const radians = (degrees: number) => (degrees * Math.PI) / 180;
  const north = Math.sin(radians(other.latitude - one.latitude) / 2) ** 2;
  const east = Math.sin(radians(other.longitude - one.longitude) / 2) ** 2;
  const part = north + Math.cos(radians(one.latitude)) * Math.cos(radians(other.latitude)) * east;
  return 2 * 6_371_000 * Math.asin(Math.min(1, Math.sqrt(part)));
}
