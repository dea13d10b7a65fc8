import { expect, test } from 'vitest';
import { scenes } from '../../fixtures/scenes';
import { focused, push, sent, tabTo, types } from './hands';
import { harness } from './harness';

const ui = harness();

test('another network is signed in at by its address, by keyboard alone, and what is wrong with one is said', async () => {
  const page = await ui.page();
  await ui.show(page, 'welcome');
  await tabTo(page, 'other-network');
  await page.keyboard.press('Enter');
  const field = page.getByTestId('network-address');
  await expect.poll(() => focused(page)).toBe('network-address');
  const described = () => field.evaluate((one) => document.getElementById(one.getAttribute('aria-describedby') ?? '')?.textContent);
  expect(await described()).toContain('gave you');
  for (const [typed, said] of [['kein netz', 'lockers.example.org'], ['http://lockers.example.org', 'https://']] as const) {
    await field.fill('');
    await page.keyboard.type(typed);
    await page.keyboard.press('Enter');
    await page.getByTestId('network-sheet').getByRole('alert').filter({ hasText: said }).waitFor();
    expect([await described(), await field.getAttribute('aria-invalid'), await field.inputValue(), await focused(page)]).toEqual([expect.stringContaining(said), 'true', typed, 'network-address']);
  }
  // By a finger on the button, too, the field is where one goes on.
  await page.getByTestId('network-sign-in').click();
  expect(await focused(page)).toBe('network-address');
  expect(await types(page)).not.toContain('signIn');
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.type(' Lockers.example.org/ ');
  expect(await field.getAttribute('aria-invalid')).toBe('false');
  await page.keyboard.press('Enter');
  expect(await sent(page)).toContainEqual({ type: 'signIn', hub: 'https://lockers.example.org' });
  await page.getByTestId('network-sheet').waitFor({ state: 'detached' });
  expect(page.faults).toEqual([]);
});

test('an address is typed as addresses are: nothing corrects it', async () => {
  const page = await ui.page();
  await ui.show(page, 'welcome-network');
  const has = await page.getByTestId('network-address').evaluate((one) => ['inputmode', 'autocapitalize', 'autocorrect', 'spellcheck', 'autocomplete', 'enterkeyhint'].map((name) => one.getAttribute(name)));
  expect(has).toEqual(['url', 'off', 'off', 'false', 'off', 'go']);
  expect(await page.getByTestId('network-sign-in').isDisabled()).toBe(true);
  // What was typed is not thrown away by a stray tap.
  await page.getByTestId('network-address').fill('lockers.exam');
  await page.keyboard.press('Escape');
  await page.getByTestId('discard-no').click();
  expect(await page.getByTestId('network-address').inputValue()).toBe('lockers.exam');
  await page.keyboard.press('Escape');
  await page.getByTestId('discard-yes').click();
  await page.getByTestId('network-sheet').waitFor({ state: 'detached' });
  await expect.poll(() => focused(page)).toBe('other-network');
  expect(await types(page)).not.toContain('signIn');
});

test('what went wrong or ended at another network is tried there again, until somebody goes back', async () => {
  const page = await ui.page();
  const signIns = async () => (await sent(page)).flatMap((one) => (one.type === 'signIn' ? [one.hub] : []));
  await ui.show(page, 'welcome-network');
  await page.getByTestId('network-address').fill('lockers.example.org');
  await page.getByTestId('network-sign-in').click();
  await push(page, scenes['welcome-finishing']!.view);
  for (const [code, title] of [['wrongHub', 'No locker network'], ['hubUnreachable', 'doesn’t answer']] as const) {
    await push(page, scenes[`welcome-problem-${code}`]!.view);
    const words = (await page.getByTestId('problem').innerText()).replace(/[\u2068\u2069]/g, '');
    expect([words.includes(title), words.includes('Is lockers.example.org right?')]).toEqual([true, true]);
  }
  await page.getByTestId('sign-in').click();
  // A session that ended is renewed where it was, which the core knows.
  await push(page, scenes['home-sign-in-again']!.view);
  await page.getByTestId('sign-in-again').getByRole('button').click();
  await push(page, scenes['welcome-revoked']!.view);
  expect(await page.getByTestId('sign-in-where').innerText()).toContain('lockers.example.org');
  await page.getByTestId('sign-in').click();
  const there = 'https://lockers.example.org';
  expect(await signIns()).toEqual([there, there, null, there]);
  expect(await page.evaluate(() => JSON.parse(localStorage.getItem('preferences') ?? '{}').network)).toBe(there);
  await page.getByTestId('other-network').click();
  expect(await page.getByTestId('network-address').inputValue()).toBe('lockers.example.org');
  await page.getByTestId('network-usual').click();
  await page.getByTestId('network-sheet').waitFor({ state: 'detached' });
  expect(await page.getByTestId('sign-in-where').innerText()).not.toContain('lockers');
  await page.getByTestId('sign-in').click();
  expect((await signIns()).at(-1)).toBe(null);
  // The usual one, typed, is no other.
  await page.getByTestId('other-network').click();
  await page.getByTestId('network-address').fill('hub.postern.example');
  await page.getByTestId('network-sign-in').click();
  await page.getByTestId('network-sheet').waitFor({ state: 'detached' });
  expect(await page.getByTestId('sign-in-where').innerText()).not.toContain('hub.postern');
  expect(page.faults).toEqual([]);
});

test('the address that seems wrong is changed from where that is said', async () => {
  const page = await ui.page();
  await ui.show(page, 'welcome-network-silent');
  await tabTo(page, 'change-network');
  await page.keyboard.press('Enter');
  await expect.poll(() => focused(page)).toBe('network-address');
  await page.keyboard.press('Escape');
  await expect.poll(() => focused(page)).toBe('change-network');
  // What is not about the address offers nothing of it.
  await push(page, scenes['welcome-problem-signInAbandoned']!.view);
  await page.getByTestId('problem').waitFor();
  expect(await page.getByTestId('change-network').count()).toBe(0);
});

test('the page that a hub serves in a browser is at that hub and at no other', async () => {
  const page = await ui.page();
  await ui.show(page, 'home');
  await page.evaluate(() => (window.recorded.inBrowser = true));
  await ui.show(page, 'welcome-network-again');
  expect(await page.getByTestId('other-network').count()).toBe(0);
  expect(await page.getByTestId('sign-in-where').innerText()).not.toContain('schliessfaecher');
  await page.getByTestId('sign-in').click();
  expect(await sent(page)).toContainEqual({ type: 'signIn', hub: null });
});
