/** Most characters of an address that the core takes (`base_url` in crates/core/src/sign_in.rs, which decides). */
const MOST = 2048;
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;
/** A name in any script, or an address in numbers, with a port: URLs take quotes, commas and more for letters. */
const HOST = /^([\p{L}\p{M}\p{N}_-]+(\.[\p{L}\p{M}\p{N}_-]+)*|\[[0-9a-f:.]+\])(:\d+)?$/u;

export type Network = { hub: string } | { wrong: 'address' | 'insecure' };

/**
 * A network's address as people type it, made into the base URL that the core wants: https, or http on this very machine;
 * without name and password, query, fragment and last slash.
 */
export function readNetwork(typed: string): Network {
  // With a sentence it is copied to its full stop.
  const text = typed.trim().replace(/[\s/.]+$/, '');
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(text)?.[0].toLowerCase();
  const host = text.slice(scheme?.length ?? 0).split('/')[0]!.toLowerCase();
  const here = LOOPBACK.test(host.replace(/:\d*$/, ''));
  // One word alone is more likely a slip than a machine of the house, which can be named with its scheme.
  const slip = scheme === undefined && !here && !/[.[]/.test(host);
  if (slip || !HOST.test(host) || /[?#\s]/.test(text)) return { wrong: 'address' };
  let url: URL;
  try {
    url = new URL(scheme === undefined ? `${here ? 'http' : 'https'}://${text}` : text);
  } catch {
    return { wrong: 'address' };
  }
  if (!/^https?:$/.test(url.protocol)) return { wrong: 'address' };
  if (url.protocol === 'http:' && !LOOPBACK.test(url.hostname)) return { wrong: 'insecure' };
  const hub = url.href.replace(/\/+$/, '');
  return hub.length <= MOST ? { hub } : { wrong: 'address' };
}
