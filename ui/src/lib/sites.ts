import type { FoundSiteView, SitesView } from './generated/view';
import { currentLocale } from './i18n/i18n.svelte';

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

/** `120 m`, `1.4 km`. */
export function distance(metres: number): string {
  const kilometres = metres >= 1000;
  return new Intl.NumberFormat(currentLocale(), {
    style: 'unit',
    unit: kilometres ? 'kilometer' : 'meter',
    maximumFractionDigits: kilometres && metres < 10_000 ? 1 : 0,
  }).format(kilometres ? metres / 1000 : Math.round(metres / 10) * 10);
}
