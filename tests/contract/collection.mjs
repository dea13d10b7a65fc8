// "A parcel's way" of the collection, sent as Postman sends it: variables filled in, scripts run, answers tested.
//
// node collection.mjs COLLECTION BASE CARRIER_KEY RECIPIENT; prints the variables as they are in the end.

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import vm from 'node:vm';

const [file, base, key, recipient] = process.argv.slice(2);
const collection = JSON.parse(readFileSync(file, 'utf8'));
const variables = new Map(collection.variable.map((one) => [one.key, one.value]));
variables.set('base', base).set('carrier_key', key).set('recipient', recipient);

const filled = (text) =>
  text.replace(/\{\{([^}]+)\}\}/g, (_, name) => {
    if (name === '$guid') return randomUUID();
    if (name === '$timestamp') return String(Math.floor(Date.now() / 1000));
    if (!variables.get(name)) throw new Error(`nothing is known of ${name} yet`);
    return variables.get(name);
  });

const way = collection.item[0];
for (const { name, request, event } of way.item) {
  const headers = { Authorization: `Bearer ${filled(way.auth.bearer[0].value)}` };
  for (const { key, value } of request.header) headers[key] = filled(value);
  const body = request.body && filled(request.body.raw);
  const answer = await fetch(filled(request.url.raw), { method: request.method, headers, body });
  const text = await answer.text();
  const status = (wanted) => {
    if (answer.status !== wanted) throw new Error(`${name}: ${answer.status} ${text}`);
  };
  const pm = {
    test: (_, run) => run(),
    response: { json: () => JSON.parse(text), to: { have: { status } } },
    collectionVariables: { set: (key, value) => variables.set(key, value) },
  };
  for (const { script } of event) vm.runInNewContext(script.exec.join('\n'), { pm });
}
console.log(JSON.stringify(Object.fromEntries(variables)));
