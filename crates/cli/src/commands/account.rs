//! `address` and `account`: how others reach the customer, and the account itself.

use std::{io::Write as _, path::Path, time::Duration};

use postern_runtime::{
    intent::Intent,
    view::{AccountView, AddressSite, SessionView, View},
};
use serde_json::json;

use super::{Output, access, booking, confirmed, session};
use crate::{
    app::App,
    arguments::AccountChange,
    fault::{Exit, Fault},
    text::{self, safe, tell},
    time,
};

/// Longest wait for an answer of the hub.
const ANSWER: Duration = Duration::from_secs(20);
/// Longest wait for everything to be wiped.
const WIPE: Duration = Duration::from_secs(20);

fn guests() -> Fault {
    Fault::new(Exit::Refused, "guest", "A guest has no account.")
}

pub(super) fn offline() -> Fault {
    Fault::new(Exit::Offline, "offline", "The hub cannot be reached, and this needs it.")
}

fn account(view: &View) -> Result<AccountView, Fault> {
    view.account.clone().ok_or_else(guests)
}

fn name(view: &View) -> String {
    match &view.session {
        SessionView::SignedIn { name, .. } => safe(name),
        _ => String::new(),
    }
}

pub(super) async fn address(app: &mut App, wanted: Option<&str>, output: Output) -> Result<(), Fault> {
    account(&app.view())?;
    let site = match wanted {
        Some(wanted) => {
            let found = booking::site(app, wanted, None).await?;
            let site = AddressSite { id: found.id, name: found.site.name, address: found.site.address };
            let (id, name, address) = (site.id.clone(), site.name.clone(), site.address.clone());
            app.send(Intent::ChooseAddressSite { site: id, name, address })?;
            let chosen = |view: &View| (view.account.as_ref()?.site.as_ref()? == &site).then_some(());
            app.until(ANSWER, chosen).await?;
            Some(site)
        }
        None => account(&app.view())?.site,
    };
    let view = app.view();
    let number = account(&view)?.number;
    if number.is_none() {
        app.refreshed().await?;
    }
    let view = app.view();
    let Some(number) = account(&view)?.number else {
        return Err(Fault::new(Exit::Refused, "noNumber", "This network gives no customer numbers."));
    };
    let name = name(&view);
    let document = json!({ "name": name, "number": number, "site": site });
    output.print(&document, || {
        let mut lines = vec![name.clone(), safe(&number)];
        match &site {
            Some(site) => lines.extend([safe(&site.name), safe(&site.address)]),
            None => tell!("postern: --site SITE adds where to; `postern find` lists the sites."),
        }
        lines.join("\n") + "\n"
    })
}

/// Sends a wish and waits until it was done.
pub(super) async fn done(app: &mut App, intent: Intent) -> Result<AccountView, Fault> {
    let before = account(&app.view())?.finished;
    app.send(intent)?;
    let ended = |view: &View| view.account.clone().filter(|account| account.finished != before);
    let settled = app.until(ANSWER, ended).await?.ok_or_else(offline)?;
    match &settled.problem {
        Some(problem) => Err(Fault::problem(&problem.problem)),
        None => Ok(settled),
    }
}

/// The account with its ways in, from the hub.
pub(super) async fn looked(app: &mut App) -> Result<AccountView, Fault> {
    account(&app.view())?;
    app.send(Intent::ShowAccount)?;
    let seen = |view: &View| {
        let account = view.account.clone()?;
        let all = account.recovery_codes_left.is_some() && account.deletion_known;
        (all || account.problem.is_some()).then_some(account)
    };
    let found = app.until(ANSWER, seen).await?.ok_or_else(offline)?;
    match &found.problem {
        Some(problem) => Err(Fault::problem(&problem.problem)),
        None => Ok(found),
    }
}

pub(super) async fn change(
    app: &mut App,
    change: Option<AccountChange>,
    output: Output,
) -> Result<(), Fault> {
    match change {
        None => show(app, output).await,
        Some(AccountChange::Name { name }) => {
            done(app, Intent::SetName { name }).await?;
            let name = self::name(&app.view());
            output.print(&json!({ "name": name }), || format!("You are {name} now.\n"))
        }
        Some(AccountChange::Email { address, language }) => email(app, address, language, output).await,
        Some(AccountChange::Confirm { code }) => {
            let code = access::given(&code)?;
            let account = done(app, Intent::ConfirmEmail { code }).await?;
            let address = account.email.and_then(|email| email.address).unwrap_or_default();
            output.print(&json!({ "address": address }), || {
                format!("{} is confirmed: carriers can announce to it.\n", safe(&address))
            })
        }
        Some(AccountChange::ForgetEmail) => {
            done(app, Intent::ForgetEmail).await?;
            output.print(&json!({ "address": null }), || "The e-mail address is forgotten.\n".into())
        }
        Some(AccountChange::AddPasskey) => {
            let before = looked(app).await?.passkeys.len();
            app.send(Intent::AddPasskey)?;
            session::follow_another(app).await?;
            app.send(Intent::CloseAccount)?;
            let account = looked(app).await?;
            if account.passkeys.len() <= before {
                return Err(Fault::new(Exit::Stopped, "stopped", "No passkey was added."));
            }
            output.print(&json!({ "passkeys": account.passkeys }), || {
                format!("There are {} passkeys now.\n", account.passkeys.len())
            })
        }
        Some(AccountChange::RemovePasskey { passkey, yes }) => {
            remove_passkey(app, &passkey, yes, output).await
        }
        Some(AccountChange::RecoveryCodes { yes }) => recovery_codes(app, yes, output).await,
        Some(AccountChange::Export { file }) => export(app, &file, output).await,
        Some(AccountChange::Delete { yes }) => delete(app, yes, output).await,
    }
}

async fn show(app: &mut App, output: Output) -> Result<(), Fault> {
    let account = looked(app).await?;
    let name = name(&app.view());
    let email = account.email.clone();
    let document = json!({
        "name": name, "number": account.number, "email": email, "passkeys": account.passkeys,
        "recoveryCodesLeft": account.recovery_codes_left, "hinderedBy": account.hindered_by,
    });
    output.print(&document, || {
        let mut rows = vec![vec!["Name".to_owned(), name.clone()]];
        rows.extend(account.number.iter().map(|number| vec!["Customer number".to_owned(), safe(number)]));
        if let Some(email) = &email {
            let confirmed = email.address.as_deref().map_or_else(|| "none".to_owned(), safe);
            rows.push(vec!["E-mail".to_owned(), confirmed]);
            if let Some(pending) = &email.pending {
                rows.push(vec![
                    "To be confirmed".to_owned(),
                    format!("{} ({})", safe(pending), delivery(email.delivery.as_deref())),
                ]);
            }
        }
        let left = account.recovery_codes_left.unwrap_or(0);
        rows.push(vec!["Recovery codes left".to_owned(), left.to_string()]);
        let length = text::distinct(account.passkeys.iter().map(|passkey| &*passkey.id));
        for passkey in &account.passkeys {
            rows.push(vec![
                "Passkey".to_owned(),
                format!(
                    "{}  {}, last used {}",
                    text::short(&passkey.id, length),
                    safe(&passkey.name),
                    time::day_and_time(passkey.last_used_at)
                ),
            ]);
        }
        text::columns(&rows)
    })
}

/// What became of a letter.
fn delivery(code: Option<&str>) -> &'static str {
    match code {
        Some("sent") => "the code was mailed",
        Some("delayed") => "the mail server did not take the code yet; the hub tries again",
        Some("refused") => "no mail arrives at that address",
        Some("given_up") => "the code could not be mailed; ask for another",
        _ => "the code is being mailed",
    }
}

async fn email(
    app: &mut App,
    address: String,
    language: Option<String>,
    output: Output,
) -> Result<(), Fault> {
    if account(&app.view())?.email.is_none() {
        app.refreshed().await?;
    }
    if account(&app.view())?.email.is_none() {
        return Err(Fault::new(Exit::Refused, "noMail", "This network sends no mail."));
    }
    let account = done(app, Intent::SetEmail { email: address, language }).await?;
    let pending = account.email.and_then(|email| email.pending).unwrap_or_default();
    output.print(&json!({ "pending": pending }), || {
        format!("A code goes to {}. `postern account confirm CODE` confirms the address.\n", safe(&pending))
    })
}

async fn remove_passkey(app: &mut App, wanted: &str, yes: bool, output: Output) -> Result<(), Fault> {
    let account = looked(app).await?;
    let lower = wanted.to_lowercase();
    let fitting: Vec<_> = account.passkeys.iter().filter(|passkey| passkey.id.starts_with(&lower)).collect();
    let passkey = match fitting[..] {
        [passkey] => passkey.clone(),
        [] => return Err(Fault::usage(format!("No passkey has the ID `{}`.", safe(wanted)))),
        _ => return Err(Fault::usage(format!("`{}` fits several passkeys.", safe(wanted)))),
    };
    sure(yes, format!("Remove the passkey {}? It signs nobody in any more.", safe(&passkey.name))).await?;
    done(app, Intent::RemovePasskey { passkey: passkey.id.clone() }).await?;
    output.print(&json!({ "removed": passkey.id }), || format!("{} is removed.\n", safe(&passkey.name)))
}

async fn recovery_codes(app: &mut App, yes: bool, output: Output) -> Result<(), Fault> {
    let account = looked(app).await?;
    if account.recovery_codes_left.unwrap_or(0) > 0 {
        sure(yes, "Make new recovery codes? The ones that you have end.".to_owned()).await?;
    }
    let account = done(app, Intent::MakeRecoveryCodes).await?;
    let codes = account.recovery_codes;
    app.send(Intent::DismissRecoveryCodes)?;
    output.print(&json!({ "codes": codes }), || {
        tell!("Write them down and keep them where no device is. Each lets you in once, and they are shown only now.");
        codes.iter().map(|code| format!("{}\n", safe(code))).collect()
    })
}

async fn export(app: &mut App, file: &Path, output: Output) -> Result<(), Fault> {
    let account = done(app, Intent::ExportAccount).await?;
    let Some(all) = account.export else { return Err(offline()) };
    app.send(Intent::DismissExport)?;
    if file == Path::new("-") {
        return Ok(text::to_stdout(&(all + "\n"))?);
    }
    private_file(file, all.as_bytes())?;
    output.print(&json!({ "file": file, "bytes": all.len() }), || {
        format!("Everything that the network keeps of you is in {}.\n", safe(&file.display().to_string()))
    })
}

async fn delete(app: &mut App, yes: bool, output: Output) -> Result<(), Fault> {
    let account = looked(app).await?;
    let view = app.view();
    let title = |id: &String| {
        let found = view.reservations.iter().find(|reservation| reservation.id == *id);
        found.map_or_else(|| safe(id), |reservation| safe(&reservation.title))
    };
    if !account.hindered_by.is_empty() {
        let titles: Vec<_> = account.hindered_by.iter().map(title).collect();
        let message = format!("Give these back, or cancel them, first: {}.", titles.join(", "));
        return Err(Fault::new(Exit::Refused, "giveBackFirst", message));
    }
    let lost = match account.parcels.len() {
        0 => String::new(),
        n => {
            let titles: Vec<_> = account.parcels.iter().map(title).collect();
            format!(" You can no longer collect {} ({n} under way).", titles.join(", "))
        }
    };
    sure(yes, format!("Delete the account for good, here and at the network?{lost}")).await?;
    app.send(Intent::DeleteAccount)?;
    let ended = app
        .until(WIPE, |view| match (&view.session, &view.account) {
            (SessionView::SignedOut { .. }, _) => Some(None),
            (_, Some(account)) if account.doing.is_none() => account.problem.clone().map(Some),
            _ => None,
        })
        .await?;
    match ended {
        Some(None) => output.print(&json!({ "deleted": true }), || {
            "The account is deleted, and everything on this device is forgotten.\n".into()
        }),
        Some(Some(problem)) => Err(Fault::problem(&problem.problem)),
        None => Err(offline()),
    }
}

/// A new file that nobody else on this machine reads.
fn private_file(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(bytes)
}

/// Asks, unless that was done.
pub(super) async fn sure(yes: bool, question: String) -> Result<(), Fault> {
    if yes || confirmed(question).await? {
        Ok(())
    } else {
        Err(Fault::new(Exit::Stopped, "stopped", "Nothing was changed."))
    }
}
