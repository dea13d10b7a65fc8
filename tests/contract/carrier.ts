// A carrier's way, with the types that openapi-typescript makes of the hub's document and openapi-fetch.
//
// node carrier.js BASE CARRIER_KEY RECIPIENT SITE LOCKER; prints the parcel that the customer must see.

import createClient from 'openapi-fetch';
import type { components, paths } from './hub.js';

type Parcel = components['schemas']['Parcel'];
type Problem = components['schemas']['Problem'];

const [base, key, recipient, site, locker] = process.argv.slice(2) as [string, string, string, string, string];
const hub = createClient<paths>({ baseUrl: base, headers: { Authorization: `Bearer ${key}` } });

function expect(holds: boolean, what: unknown): asserts holds {
  if (!holds) throw new Error(JSON.stringify(what));
}

const body = { reference: 'SW2000', recipient, title: 'A kettle', site, size: 's' as const };
const announce = (idempotency: string) =>
  hub.POST('/v1/carrier/parcels', { body, params: { header: { 'Idempotency-Key': idempotency } } });

const first = await announce('announce-sw2000');
expect(first.data !== undefined, first.error);
const parcel: Parcel = first.data;
expect(parcel.state === 'announced', parcel);
const again = await announce('announce-sw2000');
expect(again.response.status === 201 && again.data?.id === parcel.id, again);

const twice = await announce('another-sw2000');
const problem: Problem | undefined = twice.error;
expect(problem?.status === 409 && problem.code === 'wrong_state', problem);

const path = { id: parcel.id };
const moved = await hub.POST('/v1/carrier/parcels/{id}/dispatch', { params: { path } });
expect(moved.data?.state === 'in_transit', moved);
const put = await hub.POST('/v1/carrier/parcels/{id}/deposit', { params: { path }, body: { locker } });
expect(put.data?.state === 'ready' && put.data.locker === locker, put);
const now = await hub.GET('/v1/carrier/parcels/{id}', { params: { path } });
expect(now.data?.door === put.data.door, now);

console.log(JSON.stringify({ parcel: parcel.id }));
