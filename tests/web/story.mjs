// `cargo xtask demo --web`: somebody gets a link, opens it in the phone's browser, holds, and the door opens; then once more
// with the hub stopped. Pictures and transcript.md are left in POSTERN_OUT/story.
import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Phone, World, browser, lab, until } from './rig.mjs';

assert.ok(lab, 'the story needs the Bluetooth lab');
const world = await World.build('story');
const transcript = join(world.folder, 'transcript.md');
writeFileSync(transcript, '# A claim link, opened in a phone\'s browser, over Bluetooth\n\n');
const began = Date.now();
let pictures = 0;
async function step(phone, words) {
  pictures += 1;
  const name = `${String(pictures).padStart(2, '0')}-${words.toLowerCase().replaceAll(/[^a-z]+/g, '-').slice(0, 40)}`;
  await phone.picture(name);
  const line = `${pictures}. ${words} (${((Date.now() - began) / 1000).toFixed(1)} s) ![](${name}.png)\n`;
  appendFileSync(transcript, line);
  process.stdout.write(line);
}
const chrome = await browser();
try {
  const owner = await Phone.take(chrome, world);
  await owner.signUp('Robin');
  await step(owner, 'The owner has signed in with a passkey');
  const link = await owner.share('Two paperbacks', 'Alex');
  await step(owner, 'The owner has made a link');

  const guest = await Phone.take(chrome, world, { colorScheme: 'dark' });
  await guest.page.goto(link);
  await step(guest, 'The link, on a new phone');
  const touched = Date.now();
  await guest.tap('#here');
  await guest.page.waitForSelector('#guest');
  await step(guest, 'Nobody has to make an account');
  await guest.tap('#guest');
  await guest.see('home', '[aria-busy="false"]');
  await guest.tapCard('Two paperbacks');
  await step(guest, 'What was shared');
  const gesture = await guest.hold();
  await guest.phase('opened');
  const opened = Date.now();
  assert.equal((await world.door('A2')).open, true);
  await step(guest, 'The door is open');
  const latch = (await world.latchedAt('A2')) - gesture;
  appendFileSync(transcript, `\nLink to open door ${opened - touched} ms; gesture to latch ${latch} ms.\n\n`);
  await world.hand('A2', 'take');
  await world.hand('A2', 'close');
  await guest.phase('closed');

  await until('the page to be kept', () => guest.page.evaluate(() => navigator.serviceWorker.controller !== null));
  await world.stopHub();
  await guest.page.reload();
  await guest.page.waitForSelector('#app > *');
  await step(guest, 'The hub is stopped, and the page reloaded');
  await world.startHub();
  console.log(transcript);
} finally {
  await chrome.close();
  await world.end();
}
