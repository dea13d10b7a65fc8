//! How others reach the customer, and the account to its end.

use anyhow::{Result, ensure};
use postern_window_tests::world::PATIENCE;

use crate::common::{SIGNED_OUT, signed_in};

#[test]
fn a_carrier_reaches_the_number_that_the_window_shows_and_the_account_ends() -> Result<()> {
    let mut world = signed_in("account")?;
    // The address, complete with a place, and nothing else is known to the carrier.
    let number = world.customer_number()?;
    world.press("choose-site")?;
    world.click("[data-testid='address-site-lindenhof'] input")?;
    world.press("address-choose")?;
    let address = world.app()?.window.until("the whole address", PATIENCE, || {
        let shown = world.see("your-address", "")?;
        Ok(shown.contains("Lindenhof 4").then_some(shown))
    })?;
    ensure!(address.contains(&number) && address.contains("Robin"), "no whole address: {address}");
    world.hub.dispatches(&number.replace(' ', "-"), "Teapot")?;
    world.press("nav-home")?;
    let teapot = world.reservation("Teapot")?;

    // Codes are shown once, and counted.
    world.press("nav-settings")?;
    world.see("codes-left", "[data-left='0']")?;
    world.press("make-codes")?;
    let codes = world.see("recovery-codes", "")?;
    ensure!(codes.lines().filter(|line| line.trim().len() == 19).count() == 8, "no eight codes: {codes}");
    world.press("codes-kept")?;
    world.see("codes-left", "[data-left='8']")?;
    world.app()?.window.until("the codes to be gone", PATIENCE, || {
        let page = world.app()?.window.text()?;
        Ok(codes.lines().all(|code| code.trim().is_empty() || !page.contains(code.trim())).then_some(()))
    })?;

    // Another name.
    world.press("change-name")?;
    world.write("[data-testid='new-name']", " Hood")?;
    world.press("name-save")?;
    world.app()?.window.until("the new name", PATIENCE, || {
        Ok(world.see("your-address", "")?.contains("Robin Hood").then_some(()))
    })?;

    // What stands in the way of the end is named, and the end says what it means.
    world.press("delete-account")?;
    world.see("delete-hindered", "")?;
    let told = world.see("account-sheet", "")?;
    ensure!(told.contains("Winter jacket") && told.contains("Flat 12 box"), "nothing is named: {told}");
    world.click("[data-testid='account-sheet'] .close")?;
    for (title, action, state) in
        [("Winter jacket", "cancel", "cancelled"), ("Flat 12 box", "release", "released")]
    {
        world.press("nav-home")?;
        let id = world.reservation(title)?;
        world.show(&id)?;
        world.press(&format!("action-{action}"))?;
        world.press("end-confirm")?;
        world.press("nav-home")?;
        world.see(&format!("card-{id}"), &format!("[data-state='{state}']"))?;
    }
    world.press("nav-settings")?;
    world.press("delete-account")?;
    world.see("delete-parcels", "")?;
    let told = world.see("account-sheet", "")?;
    ensure!(told.contains("Teapot") && !told.contains("Winter jacket"), "the parcels are not named: {told}");
    world.press("account-sure")?;
    let window = &world.app()?.window;
    window.wait_for(SIGNED_OUT, PATIENCE)?;
    ensure!(window.find(&format!("[data-testid='card-{teapot}']"))?.is_none(), "something is left");
    // The network knows the number no more, and tells the carrier nothing of that.
    world.hub.dispatches(&number, "Kettle")?;
    world.sign_in("Robin")?;
    ensure!(world.customer_number()? != number, "a new account has the old number");
    Ok(())
}
