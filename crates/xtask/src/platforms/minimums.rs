//! The oldest systems that the app is for, said in five places: what the page is built for, what each platform's app refuses to be
//! installed on, what compilers are told, and what RELEASING.md says.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The Safari whose web view comes with a system, by Apple's release notes of Safari (13.3 and 16.4 came out on the same day,
/// 27 March 2023).
const SAFARI: [(&str, &str, &str); 4] = [
    // Safari, iOS, macOS
    ("16.4", "16.4", "13.3"),
    ("17.0", "17.0", "14.0"),
    ("18.0", "18.0", "15.0"),
    ("26.0", "26.0", "26.0"),
];

/// What the places say.
pub(super) struct Said<'a> {
    /// `ui/vite.config.ts`.
    pub(super) page: &'a str,
    /// `src-tauri/tauri.conf.json`.
    pub(super) app: &'a str,
    /// `MainActivity.kt`.
    pub(super) activity: &'a str,
    /// The Gradle project's `app/build.gradle.kts`.
    pub(super) gradle: &'a str,
    /// RELEASING.md.
    pub(super) words: &'a str,
}

/// The oldest Mac and iPhone of tauri.conf.json, for compilers.
///
/// # Errors
/// It names none.
pub(super) fn apple(app: &str) -> Result<(String, String)> {
    let app: Value = serde_json::from_str(app)?;
    let least = |system: &str| {
        let least = app["bundle"][system]["minimumSystemVersion"].as_str();
        least.map(ToOwned::to_owned).with_context(|| format!("tauri.conf.json names no oldest {system}"))
    };
    Ok((least("macOS")?, least("iOS")?))
}

/// Holds them against one another.
///
/// # Errors
/// They do not agree.
pub(super) fn hold(said: &Said<'_>) -> Result<()> {
    let target = |browser: &str| {
        let (_, rest) = said.page.split_once("target: [")?.1.split_once(&format!("'{browser}"))?;
        rest.split('\'').next()
    };
    let safari = target("safari").context("the page is built for no Safari")?;
    let chrome = target("chrome").context("the page is built for no Chromium")?;
    let (_, iphone, mac) = SAFARI
        .iter()
        .find(|(its, ..)| *its == safari)
        .with_context(|| format!("which system has Safari {safari}?"))?;
    let (least_mac, least_iphone) = apple(said.app)?;
    ensure!(
        least_mac == *mac,
        "the page is for Safari {safari}, of macOS {mac}, and the app for macOS {least_mac}"
    );
    ensure!(
        least_iphone == *iphone,
        "the page is for Safari {safari}, of iOS {iphone}, and the app for iOS {least_iphone}"
    );
    let web_view = format!("OLDEST_WEB_VIEW = {chrome}\n");
    ensure!(
        said.activity.contains(&web_view),
        "the page is for Chromium {chrome}, and MainActivity says nothing below it"
    );
    let app: Value = serde_json::from_str(said.app)?;
    let android = &app["bundle"]["android"]["minSdkVersion"];
    ensure!(
        said.gradle.contains(&format!("minSdk = {android}\n")),
        "tauri.conf.json says API {android}, and Gradle another"
    );
    for words in [format!("iOS {iphone}"), format!("macOS {mac}"), format!("web view of {chrome}")] {
        ensure!(said.words.contains(&words), "RELEASING.md does not say {words:?}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(app: &str, activity: &str) -> Result<()> {
        hold(&Said {
            page: "      target: ['safari16.4', 'chrome117', ...(web ? ['firefox120'] : [])],",
            app,
            activity,
            gradle: "        minSdk = 26\n",
            words: "iOS 16.4; macOS 13.3; Android 8 with a web view of 117",
        })
    }

    #[test]
    fn one_that_is_older_than_the_page_is_named() {
        let app = |mac: &str| {
            format!(
                "{{\"bundle\":{{\"macOS\":{{\"minimumSystemVersion\":\"{mac}\"}},\
                 \"iOS\":{{\"minimumSystemVersion\":\"16.4\"}},\"android\":{{\"minSdkVersion\":26}}}}}}"
            )
        };
        let activity = "private const val OLDEST_WEB_VIEW = 117\n";
        said(&app("13.3"), activity).unwrap();
        let wrong = said(&app("12.0"), activity).unwrap_err().to_string();
        assert!(wrong.contains("of macOS 13.3, and the app for macOS 12.0"), "{wrong}");
        assert!(said(&app("13.3"), "private const val OLDEST_WEB_VIEW = 109\n").is_err());
    }
}
