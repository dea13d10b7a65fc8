//! PROTOCOL.md says what the code does: its hex is that of the vectors, its numbers are the constants.

use postern_protocol::{
    VERSION, bulletin, carry, frame, gatt, in_person, message, pin, qr,
    receipt::{self, Outcome},
    token,
};
use serde_json::Value;

use crate::{common, strict, vectors};

const TEXT: &str = include_str!("../../PROTOCOL.md");

fn look_up<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, step| match value {
        Value::Array(items) => &items[step.parse::<usize>().expect("an index")],
        _ => &value[step],
    })
}

/// What stands before an inline marker in back-quotes, or in the block behind one.
fn shown<'a>(before: &'a str, after: &'a str) -> String {
    if let Some(block) = after.strip_prefix("\n```hex\n").or_else(|| after.strip_prefix("\n```text\n")) {
        let block = block.split("\n```").next().expect("split gives one at least");
        if after.starts_with("\n```hex") { block.split_whitespace().collect() } else { block.to_owned() }
    } else {
        before.trim_end_matches('`').rsplit('`').next().expect("split gives one at least").to_owned()
    }
}

/// Every example in the text is the frozen one.
#[test]
fn the_worked_example_is_that_of_the_vectors() {
    let mut seen = 0;
    let mut rest = TEXT;
    while let Some((before, after)) = rest.split_once("<!-- vector ") {
        let (path, after) = after.split_once(" -->").expect("a marker has an end");
        let (file, path) = path.split_once('.').expect("file and path");
        let value = vectors::load(file);
        let expected = look_up(&value, path).as_str().unwrap_or_else(|| panic!("{file}.{path}")).to_owned();
        assert_eq!(shown(before, after), expected, "{file}.{path}");
        seen += 1;
        rest = after;
    }
    assert!(seen >= 44, "{seen}");
    // No block of hex without a marker.
    assert_eq!(TEXT.matches("```hex").count(), TEXT.matches(" -->\n```hex").count());
}

fn says(line: &str) {
    assert!(TEXT.contains(line), "PROTOCOL.md does not say: {line}");
}

/// Every number that a stranger would copy.
#[test]
fn the_numbers_are_the_constants() {
    let uuid = |value: u128| {
        let digits = format!("{value:032x}");
        let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
        parts.join("-")
    };
    says(&format!("| primary service | `{}` |", uuid(gatt::SERVICE_UUID)));
    says(&format!("| `rx` | `{}` |", uuid(gatt::RX_UUID)));
    says(&format!("| `tx` | `{}` |", uuid(gatt::TX_UUID)));
    says(&format!("company id `0x{:04X}`", gatt::COMPANY_ID));
    says(&format!("# Postern locker protocol, version {VERSION}"));
    says(&format!("Messages have 1 to {} bytes", frame::MAX_MESSAGE));
    says(&format!("| smallest frame / ATT MTU | {} / {} |", frame::MIN_FRAME, frame::MIN_FRAME + 3));
    says(&format!(
        "| token / delegation / bulletin / receipt | {} / {} / {} / {} bytes |",
        message::MAX_TOKEN,
        message::MAX_DELEGATION,
        message::MAX_BULLETIN,
        message::MAX_RECEIPT
    ));
    says(&format!("token: bstr .size (1..{})", message::MAX_TOKEN));
    says(&format!("delegation: bstr .size (1..{}) / null", message::MAX_DELEGATION));
    says(&format!("bulletin: bstr .size (1..{}) / null", message::MAX_BULLETIN));
    says(&format!("| doors of a token | {} |", token::MAX_DOORS));
    says(&format!(
        "| epochs / revocations of a bulletin | {} / {} |",
        bulletin::MAX_EPOCHS,
        bulletin::MAX_REVOKED
    ));
    says(&format!("| PIN slots / look-ahead | {} / {} epochs |", pin::SLOTS, pin::LOOK_AHEAD));
    says(&format!("carried = [*{} bstr .size (1..{})]", carry::MAX_RECEIPTS, message::MAX_RECEIPT));
    says(&format!("sealed: bstr .size (1..{})", message::MAX_CARRIED));
    says(&format!("| issuer keys | {} |", postern_protocol::IssuerKeys::MAX));
    says(&format!("| opening code: renewed / valid | {} s / {} s |", qr::RENEW_AFTER, qr::VALID_FOR));
    says(&format!("at most {} characters: `{}`", qr::MAX_TEXT, qr::PREFIX));
    says(&format!("`{}`, one letter for the kind", in_person::INVITATION));
    says(&format!("`{}` and base45 of", in_person::ACCESS));
    says(&format!("title: tstr,                        ; at most {} characters", in_person::MAX_NAME));
    assert_eq!(in_person::MAX_TEXT, 2_048);
    says("in deterministic CBOR; at most 2,048 characters");
    says(&format!("HELLO has {} bytes.", common::greeting().1.len()));
    assert_eq!(pin::DIGITS, 8);
    says("Eight digits:");
    for (outcome, name) in [
        (Outcome::Opened, "opened"),
        (Outcome::Jammed, "jammed"),
        (Outcome::AlreadyOpen, "already open"),
        (Outcome::Unknown, "unknown"),
        (Outcome::Closed, "closed"),
        (Outcome::ClosedPresent, "closed full"),
        (Outcome::ClosedAbsent, "closed empty"),
    ] {
        says(&format!("| {} {name} |", outcome as u8));
    }
    for (operation, name) in postern_protocol::Operation::ALL
        .into_iter()
        .zip(["collect", "reopen", "deposit", "access", "status", "carry"])
    {
        says(&format!("| {} | {name} |", operation as u8));
    }
}

/// The labels in the text are those that are signed.
#[test]
fn the_labels_are_those_that_are_signed() {
    use postern_protocol::{delegation, phone::Greeted};

    let device = common::Device::ed25519("device");
    let asked = common::request(device.public());
    let (_, hello) = common::greeting();
    let greeted = Greeted::from_hello(&common::locker().identity(), &hello).unwrap();
    let label = |bytes: &[u8]| {
        let end = bytes.iter().position(|byte| *byte == 0).expect("a zero byte ends the label");
        format!("\"{}\\0\"", core::str::from_utf8(&bytes[..end]).unwrap())
    };
    says(&format!("| OPEN | `{}` |", label(&greeted.challenge(&asked))));
    let part = common::delegation(device.public());
    says(&format!("signs `{} ‖ payload`", label(&delegation::signing_input(&part))));
    let code = qr::OpeningCode {
        token: asked.token.clone(),
        door: asked.door,
        operation: asked.operation,
        at: common::NOW,
        nonce: asked.nonce,
    };
    says(&format!("signs `{} ‖ H(token)", label(&qr::signing_input(&code))));
    let (_, session) = greeted.open(&asked, [0; 64], common::bytes("phone ephemeral")).unwrap();
    says(&format!("| REQUEST | `{}` |", label(&session.challenge(&asked))));
    // Those of COSE: a signature under another `external_aad` is not good (strict::purposes_are_apart).
    let signed = receipt::sign(&strict::receipt(), &common::locker());
    assert!(receipt::verify(&signed, &common::locker().identity().receipt_key).is_ok());
    for purpose in ["token", "bulletin", "receipt"] {
        says(&format!("| {purpose} | `\"postern/1 {purpose}\"` |"));
    }
}

/// The sizes that the text promises, taken from the same numbers that the size test measures.
#[test]
fn the_sizes_are_those_that_are_measured() {
    let session = vectors::load("session");
    let length = |path: &str| look_up(&session, path).as_str().expect("hex").len() / 2;
    assert_eq!(length("0.hello.message"), 50);
    assert!(length("0.open.message") <= 322 && length("0.replies.0.message") <= 187);
    says("at most 322, RECEIPT at most 187: 559 together");
}
