import type { Order } from '@postern/core';
import { base64url, digest, type Vault } from './vault';

type Request = Extract<Order, { kind: 'http' }>;
type Bytes = Uint8Array<ArrayBuffer>;

/** For one whole exchange, milliseconds. */
const TIMEOUT = 20_000;
/** For the head of the push connection's answer. */
const HEAD_TIMEOUT = 20_000;
/** The hub says something at least every half minute. */
const SILENCE = 90_000;
/** The largest body that the core is given, bytes. */
const LONGEST = 16 << 20;
/** A clock difference below this, in seconds, is the time that an answer takes. */
const SKEW = 5;

export interface Answer {
  status: number;
  /** UNIX seconds. */
  date: number | undefined;
  etag: string | undefined;
  body: Bytes;
}

/** No answer; `sent` where the request may have been carried out. */
export class NoAnswer extends Error {
  constructor(readonly sent: boolean) {
    super('no answer');
  }
}

/** Requests to the hub that serves this page, and to nobody else. */
export class Hub {
  /** Newest `DPoP-Nonce` (RFC 9449 section 8). */
  private nonce: string | null = null;
  /** The hub's clock minus ours, seconds: a phone with a wrong clock can still sign in. */
  private skew = 0;

  /** One exchange. Rejects with `NoAnswer`. */
  async send(request: Request, vault: Vault | null): Promise<Answer> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), TIMEOUT);
    try {
      const response = await this.exchange(request, vault, 'application/json', abort.signal);
      const body = new Uint8Array(await response.arrayBuffer());
      if (body.length > LONGEST) throw new NoAnswer(true);
      return { status: response.status, date: date(response), etag: response.headers.get('etag') ?? undefined, body };
    } catch (error) {
      if (error instanceof NoAnswer) throw error;
      // A browser does not say whether a request had left; one that only reads may be sent again in any case.
      throw new NoAnswer(abort.signal.aborted || (navigator.onLine && request.method !== 'GET'));
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * The push connection, until it ends or `signal` ends it: says `connected` and `poke`; resolves to what ended it.
   */
  async listen(
    url: string,
    token: string,
    vault: Vault | null,
    signal: AbortSignal,
    say: (what: 'connected' | 'poke') => void,
  ): Promise<'lost' | 'unauthenticated'> {
    const abort = new AbortController();
    const stop = () => abort.abort();
    signal.addEventListener('abort', stop);
    let timer = setTimeout(stop, HEAD_TIMEOUT);
    try {
      const request: Request = { kind: 'http', ticket: 0n, method: 'GET', url, proof: true, token };
      const response = await this.exchange(request, vault, 'text/event-stream', abort.signal);
      if (response.status === 401) return 'unauthenticated';
      if (!response.ok || !response.body) return 'lost';
      say('connected');
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const pokes = new Pokes();
      for (;;) {
        clearTimeout(timer);
        timer = setTimeout(stop, SILENCE);
        const { done, value } = await reader.read();
        if (done) return 'lost';
        if (pokes.feed(value)) say('poke');
      }
    } catch {
      return 'lost';
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      stop();
    }
  }

  /** Resolves once the head of the answer is there. Repeats once where the hub asks for its nonce. */
  private async exchange(request: Request, vault: Vault | null, accept: string, signal: AbortSignal): Promise<Response> {
    const url = new URL(request.url);
    if (url.origin !== location.origin || url.username || url.password) throw new NoAnswer(false);
    for (let repeated = false; ; repeated = true) {
      const nonce = this.nonce;
      const headers = new Headers({ accept });
      if (request.key) headers.set('idempotency-key', request.key);
      if (request.type) headers.set('content-type', request.type);
      if (request.proof) {
        if (!vault) throw new NoAnswer(false);
        if (request.token) headers.set('authorization', `DPoP ${request.token}`);
        headers.set('dpop', await this.prove(vault, request, url, nonce));
      }
      const response = await fetch(url, {
        method: request.method,
        headers,
        body: request.body ?? null,
        signal,
        credentials: 'omit',
        // A redirect would carry credentials to where the customer did not sign in.
        redirect: 'error',
        cache: 'no-store',
        referrerPolicy: 'no-referrer',
      });
      const at = date(response);
      if (at !== undefined) this.skew = at - Math.floor(Date.now() / 1000);
      const offered = response.headers.get('dpop-nonce');
      if (offered && offered.length <= 256) this.nonce = offered;
      if (repeated || !request.proof || this.nonce === nonce || !wantsNonce(response)) return response;
    }
  }

  /** RFC 9449. */
  private async prove(vault: Vault, request: Request, url: URL, nonce: string | null): Promise<string> {
    const part = (value: unknown) => base64url(new TextEncoder().encode(JSON.stringify(value)));
    const iat = Math.floor(Date.now() / 1000) + (Math.abs(this.skew) > SKEW ? this.skew : 0);
    const claims: Record<string, unknown> = {
      jti: base64url(crypto.getRandomValues(new Uint8Array(16))),
      htm: request.method,
      htu: url.origin + url.pathname,
      iat,
    };
    if (request.token) claims['ath'] = await digest(request.token);
    if (nonce) claims['nonce'] = nonce;
    const signed = `${part({ typ: 'dpop+jwt', alg: 'ES256', jwk: vault.jwk })}.${part(claims)}`;
    return `${signed}.${base64url(await vault.sign(new TextEncoder().encode(signed)))}`;
  }
}

/** A resource says so in the header, a token endpoint by the status alone. */
function wantsNonce(response: Response): boolean {
  if (response.status === 400) return response.headers.has('dpop-nonce');
  return response.status === 401 && (response.headers.get('www-authenticate') ?? '').includes('use_dpop_nonce');
}

function date(response: Response): number | undefined {
  const at = Date.parse(response.headers.get('date') ?? '');
  return Number.isNaN(at) ? undefined : Math.floor(at / 1000);
}

/** Finds the ends of server-sent events that carry data. What they say is of no interest: the core asks the hub. */
export class Pokes {
  private rest = '';
  private data = false;

  /** True if at least one event with data ended in this text. */
  feed(text: string): boolean {
    let poked = false;
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    // An endless line costs no memory: no field name that matters is longer.
    this.rest = (lines.pop() ?? '').slice(0, 6);
    for (const line of lines) {
      if (line === '') {
        poked ||= this.data;
        this.data = false;
      } else if (line === 'data' || line.startsWith('data:')) {
        this.data = true;
      }
    }
    return poked;
  }
}
