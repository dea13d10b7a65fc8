//! A network in which people try things out: lockers that open by themselves, and no radio that anybody named.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use postern_runtime::vault::testing::TestKeyring;
use tokio::runtime::Runtime;

use crate::{
    chromium::Chromium,
    parts::{Cabinet, Hub},
    story,
};

/// A carrier announces a parcel to a customer's number and sends it on its way. Nobody stands at the locker: a courier puts it
/// in, the customer opens with an app that has no locker near it, the parcel is taken and the door closed.
#[test]
fn a_parcel_goes_its_way_with_nobody_at_the_locker() {
    let runtime = Runtime::new().unwrap();
    let keyring = TestKeyring::start();
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let hub = Hub::configured(folder.path(), &format!("[test_network]\nair_port = {port}\n"));
    let _cabinet = Cabinet::unattended(folder.path(), &hub, port);
    let browser = runtime.block_on(Chromium::start());
    let page = folder.path().join("page");
    let shell = story::on_radio(&keyring, folder.path(), &hub, "", &page).without("POSTERN_RADIO");
    story::sign_in(&shell, &runtime, &browser, &page);
    runtime.block_on(browser.end());

    let address = shell.run(&["address", "--site", "lindenhof", "--json"]).good().json();
    runtime.block_on(hub.announce(address["number"].as_str().unwrap(), "Teapot"));
    runtime.block_on(hub.dispatch("Teapot"));
    until("the courier to have put it in", || {
        runtime.block_on(hub.parcel("Teapot"))["state"] == "ready"
            && shell
                .run(&["list", "--json"])
                .good()
                .json()
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one["title"] == "Teapot" && one["state"] == "ready")
    });
    shell.run(&["open", "Teapot", "--yes"]).good();
    // Taken and closed by itself, which the locker measured; the rest is the customer's word.
    until("the customer to be asked", || shell.run(&["taken", "Teapot"]).code == 0);
    until("it to be collected", || runtime.block_on(hub.parcel("Teapot"))["state"] == "collected");
    assert!(runtime.block_on(hub.parcel("Teapot"))["unproven"].is_null());
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(200));
    }
}
