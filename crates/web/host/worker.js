// The service worker: the page without a network. Before this stand VERSION and FILES, written by ui/tools/web.ts, and HEADERS,
// written by the hub (crates/hub/src/server/web_app.rs).
"use strict";
/* global VERSION, FILES, HEADERS */

// A kept page keeps the headers that it came with: others make another version.
const CACHE = `postern ${VERSION} ${HEADERS}`;
/** How many versions are kept: a page that is still open fetches its parts from the one that it came with. */
const KEPT = 3;

// All of it or nothing: a version is whole, or it is not there. Pages that are opened from then on are of the new one; those
// that are open go on with theirs, whose parts are kept.
self.addEventListener("install", (event) => {
  const fetched = async () => {
    const cache = await caches.open(CACHE);
    await cache.addAll(FILES.map((file) => new Request(file, { cache: "no-cache" })));
    await self.skipWaiting();
  };
  event.waitUntil(fetched());
});

self.addEventListener("activate", (event) => {
  const tidy = async () => {
    const names = (await caches.keys()).filter((name) => name.startsWith("postern "));
    const old = names.filter((name) => name !== CACHE);
    // In the order in which they were made.
    await Promise.all(old.slice(0, Math.max(0, old.length - (KEPT - 1))).map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(tidy());
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  const scope = new URL(self.registration.scope);
  // The hub's own answers are never kept here: what the app knows it keeps itself, sealed.
  if (event.request.method !== "GET" || url.origin !== scope.origin || !url.pathname.startsWith(scope.pathname)) return;
  const page = url.pathname === scope.pathname;
  const answer = async () => {
    const cache = await caches.open(CACHE);
    const kept = await cache.match(page ? "./" : event.request) ?? (page ? undefined : await caches.match(event.request));
    return kept ?? fetch(event.request);
  };
  event.respondWith(answer());
});
