/** Where the page is. Kept in the address so that the system's back gesture works. */
export type Route =
  | { screen: 'home'; reservation?: string; nearest?: true }
  | { screen: 'activity' }
  | { screen: 'find' }
  | { screen: 'settings' };

/** Reads a location hash; anything unknown is home. */
export function parseRoute(hash: string): Route {
  const [, first = '', second] = hash.replace(/^#/, '').split('/');
  if (first === 'activity' || first === 'find' || first === 'settings') return { screen: first };
  if (first === 'nearest') return { screen: 'home', nearest: true };
  if (first === 'r' && second) {
    try {
      return { screen: 'home', reservation: decodeURIComponent(second) };
    } catch {
      return { screen: 'home' };
    }
  }
  return { screen: 'home' };
}

/** The hash of a route. */
export function routeHash(route: Route): string {
  if (route.screen !== 'home') return `#/${route.screen}`;
  if (route.nearest) return '#/nearest';
  return route.reservation === undefined ? '#/' : `#/r/${encodeURIComponent(route.reservation)}`;
}
