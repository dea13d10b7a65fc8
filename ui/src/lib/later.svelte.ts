import type { Component } from 'svelte';

/**
 * Parts of the page that its first picture does not show. They come right after it, from the same place as the page
 * itself, so that by the time somebody presses something they are there; whoever is quicker sees them a moment later.
 */
const LOADERS = {
  activity: () => import('../screens/Activity.svelte'),
  find: () => import('../screens/Find.svelte'),
  settings: () => import('../screens/Settings.svelte'),
  opening: () => import('../screens/Opening.svelte'),
  atLocker: () => import('../components/AtLocker.svelte'),
  actions: () => import('../components/Actions.svelte'),
  shares: () => import('../components/Shares.svelte'),
  reports: () => import('../components/Reports.svelte'),
  timeline: () => import('../components/Timeline.svelte'),
  confirmTaken: () => import('../components/ConfirmTaken.svelte'),
  confirmPlaced: () => import('../components/ConfirmPlaced.svelte'),
  guest: () => import('../screens/Guest.svelte'),
  halted: () => import('../screens/Halted.svelte'),
  mapsSheet: () => import('../components/sheets/MapsSheet.svelte'),
  helpSheet: () => import('../components/sheets/HelpSheet.svelte'),
  licencesSheet: () => import('../components/sheets/LicencesSheet.svelte'),
  linkSheet: () => import('../components/sheets/LinkSheet.svelte'),
  homeSheet: () => import('../components/sheets/HomeSheet.svelte'),
  // The page that a hub serves is at that hub and at no other.
  networkSheet: import.meta.env.MODE === 'web' ? null : () => import('../components/sheets/NetworkSheet.svelte'),
} as const;

export type Part = keyof typeof LOADERS;
let loaded = $state.raw<Partial<Record<Part, Component<never>>>>({});

/** Brings a part. */
export async function bring(part: Part): Promise<void> {
  const load = LOADERS[part];
  if (loaded[part] || !load) return;
  const { default: component } = await load();
  loaded = { ...loaded, [part]: component as Component<never> };
}

/** Brings all of them. */
export async function bringAll(): Promise<void> {
  await Promise.all((Object.keys(LOADERS) as Part[]).map(bring));
}

/** A part, or nothing as long as it is not there. */
export function later(part: Part): Component<never> | undefined {
  return loaded[part];
}
