//! Deliberate defects: each is a snippet of the product's source and what takes its place. All are written into one
//! copy of the workspace, behind a switch, so that one build serves them all; then each is switched on and must be found
//! within so many seeds. A snippet that no longer exists, or exists twice, is an error: the table follows the source.

use std::{
    fs, io,
    path::Path,
    process::{Command, ExitCode},
};

use crate::copy;

/// One defect.
struct Mutant {
    /// What was broken, in words.
    name: &'static str,
    /// Below the workspace.
    file: &'static str,
    /// An expression (or a statement with its semicolon) as it stands there, once.
    original: &'static str,
    /// What takes its place.
    replacement: &'static str,
    /// Invariants of which one must break.
    expected: &'static [u8],
}

const ACCESS: &str = "crates/locker/src/access.rs";
const OPENING: &str = "crates/locker/src/opening.rs";
const AIR: &str = "crates/core/src/unlock/air.rs";
const PLACED: &str = "crates/rules/src/placed.rs";
const ANSWERS: &str = "crates/core/src/unlock/answers.rs";

/// The table.
const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "the end of a token is not looked at",
        file: ACCESS,
        original: "now >= ends",
        replacement: "false",
        expected: &[1],
    },
    Mutant {
        name: "the epoch of a token is not looked at",
        file: ACCESS,
        original: "self.claims.epoch_of(door).is_none_or(|epoch| epoch < known)",
        replacement: "false",
        expected: &[6, 11],
    },
    Mutant {
        name: "uses are not counted",
        file: ACCESS,
        original: "spent(self.mark(), self.claims.uses) || guest_spent",
        replacement: "false",
        expected: &[2],
    },
    Mutant {
        name: "the proof of the device key is not looked at",
        file: ACCESS,
        original: "!key.verify(presented.challenge, presented.proof)",
        replacement: "false",
        expected: &[1],
    },
    Mutant {
        name: "another locker's token is taken",
        file: ACCESS,
        original: "self.claims.locker != locker",
        replacement: "false",
        expected: &[1],
    },
    Mutant {
        name: "the token's operations are not looked at",
        file: ACCESS,
        original: "wish.operation != Operation::Status && !operations.contains(wish.operation)",
        replacement: "false",
        expected: &[1],
    },
    Mutant {
        name: "a delegation of another token is taken",
        file: ACCESS,
        original: "self.delegation.as_ref().is_some_and(|(delegation, _)| !delegation.is_within(&self.claims))",
        replacement: "false",
        expected: &[1],
    },
    Mutant {
        name: "the owner's signature under a delegation is not looked at",
        file: ACCESS,
        original: "delegation::verify(bytes, &claims.key).map_err(|_| Reason::Delegation)?",
        replacement: "delegation::parse(bytes).map(|(it, _)| it).map_err(|_| Reason::Delegation)?",
        expected: &[1],
    },
    Mutant {
        name: "a guest may do all that the owner may",
        file: ACCESS,
        original: "self.delegation.as_ref().map_or(self.claims.operations, |(delegation, _)| delegation.operations)",
        replacement: "self.claims.operations",
        expected: &[1],
    },
    Mutant {
        name: "the end of a delegation is not looked at",
        file: ACCESS,
        original: "delegation.map_or(self.claims.expires, |it| it.expires.min(self.claims.expires))",
        replacement: "self.claims.expires",
        expected: &[1],
    },
    Mutant {
        name: "reopenings are not counted",
        file: ACCESS,
        original: "last.reopens < MAX_REOPENS",
        replacement: "true",
        expected: &[2],
    },
    Mutant {
        name: "the same request moves the latch again",
        file: "crates/locker/src/requests.rs",
        original: "self.store.find(&self.hardware, holder.mark(), wish.nonce)",
        replacement: "None",
        expected: &[2],
    },
    Mutant {
        name: "a bulletin for any locker or none is passed over",
        file: "crates/locker/src/news.rs",
        original: "bulletin.locker != self.keys.locker.id",
        replacement: "true",
        expected: &[4, 6],
    },
    Mutant {
        name: "the latch moves and nothing was written before",
        file: OPENING,
        original: "self.commit(&Record::Intent(intent))?;",
        replacement: "drop(intent);",
        expected: &[2, 3, 4, 5],
    },
    Mutant {
        name: "the outcome is told and not written",
        file: OPENING,
        original: "self.commit(&Record::Completion(completion)).is_ok()",
        replacement: "drop(completion) == ()",
        expected: &[2, 3, 4, 5],
    },
    Mutant {
        name: "receipts do not follow one another",
        file: "crates/locker/src/ledger.rs",
        original: "receipt::hash(&completion.receipt)",
        replacement: "[0; 16]",
        expected: &[3],
    },
    Mutant {
        name: "after a power failure a closed door is said to have opened",
        file: OPENING,
        original: "self.watch(door).and_then(DoorWatch::is_open) == Some(true)",
        replacement: "true",
        expected: &[3, 5],
    },
    Mutant {
        name: "any eight digits are the PIN",
        file: "crates/locker/src/local.rs",
        original: "pin::equal(&expected, digits)",
        replacement: "matches == 0 || pin::equal(&expected, digits)",
        expected: &[1, 9],
    },
    Mutant {
        name: "no signature is looked at",
        file: "crates/protocol/src/keys.rs",
        original: "key.verify_strict(message, &EdSignature::from_bytes(signature)).is_ok()",
        replacement: "true",
        expected: &[1],
    },
    Mutant {
        name: "the phone forgets what it asked for",
        file: AIR,
        original: "self.openings.pendings.insert(asked.reservation.clone(), asked);",
        replacement: "drop(asked);",
        expected: &[4, 5],
    },
    Mutant {
        name: "a refusal settles also what was asked before",
        file: ANSWERS,
        original: "!status && pending.handshakes.len() <= 1",
        replacement: "!status",
        expected: &[5],
    },
    Mutant {
        name: "a locker that cannot tell counts as open",
        file: ANSWERS,
        original: "if let Some(kept) = self.openings.pendings.get_mut(id) {
                    kept.locker_unsure = true;
                }
                StepState::MayBeOpen",
        replacement: "StepState::Opened",
        expected: &[5],
    },
    Mutant {
        name: "what was taken back by name still opens",
        file: ACCESS,
        original: "self.is_revoked(ledger)",
        replacement: "false",
        expected: &[6],
    },
    Mutant {
        name: "to take one token back ends everybody's",
        file: ACCESS,
        original: "self.is_revoked(ledger)",
        replacement: "ledger.is_revoked(|_, _, _| true)",
        expected: &[4, 10],
    },
    Mutant {
        name: "the keypad knows only the epoch that it has heard of",
        file: "crates/protocol/src/pin.rs",
        original: "epoch.0.saturating_add(LOOK_AHEAD)",
        replacement: "epoch.0",
        expected: &[9],
    },
    Mutant {
        name: "couriers are not given the first receipt that the hub lacks",
        file: "crates/locker/src/requests.rs",
        original: "self.store.receipts_from(&self.hardware, first)",
        replacement: "self.store.receipts_from(&self.hardware, first + 1)",
        expected: &[12],
    },
    Mutant {
        name: "a closed door is said to have something behind it",
        file: OPENING,
        original: "Outcome::of_closing(content)",
        replacement: "Outcome::of_closing(Some(true))",
        expected: &[13],
    },
    Mutant {
        name: "the app takes an empty compartment for a full one",
        file: "crates/core/src/root/mod.rs",
        original: "self.kept.wallet.closed(id, Some(false))",
        replacement: "self.kept.wallet.closed(id, Some(true))",
        expected: &[13],
    },
    Mutant {
        name: "the hub gives a door on before its locker has heard that the access ended",
        file: "crates/rules/src/settling.rs",
        original: "chain.news >= self.news",
        replacement: "true",
        expected: &[11, 14],
    },
    Mutant {
        name: "a latch that is said to jam says that nothing was put in",
        file: "crates/rules/src/settling.rs",
        original: "self.jammed || (self.left && self.holds != Holds::Lent)",
        replacement: "self.left && self.holds != Holds::Lent",
        expected: &[11, 14],
    },
    Mutant {
        name: "what is only said to be taken frees its door",
        file: "crates/rules/src/taken.rs",
        original: "Ok(Verdict::Collected { unproven: true, door: Door::Settles, left })",
        replacement: "Ok(Verdict::Collected { unproven: true, door: Door::Free, left })",
        expected: &[11, 14],
    },
    Mutant {
        name: "a closing that measured nothing says that it lies inside",
        file: PLACED,
        original: "said.unwrap_or(Inside::Unknown)",
        replacement: "said.unwrap_or(Inside::SaidIn)",
        expected: &[13],
    },
    Mutant {
        name: "what was said of one opening counts of the next",
        file: PLACED,
        original: "answer.after == opened",
        replacement: "answer.after <= opened",
        expected: &[4, 13],
    },
    Mutant {
        name: "a return that was opened again stays dropped off",
        file: "crates/rules/src/booked.rs",
        original: "facts.inside == Some(Inside::Unknown) && facts.door == Door::Kept",
        replacement: "false",
        expected: &[13],
    },
];

/// What the copy's protocol crate gets, so that all crates can ask which defect is switched on.
const SWITCH: &str = "
/// Which deliberate defect is switched on.
pub mod mutation {
    use core::sync::atomic::{AtomicUsize, Ordering};
    static ACTIVE: AtomicUsize = AtomicUsize::new(usize::MAX);
    /// Switches one on.
    pub fn activate(number: usize) {
        ACTIVE.store(number, Ordering::Relaxed);
    }
    /// Whether it is this one.
    pub fn is(number: usize) -> bool {
        ACTIVE.load(Ordering::Relaxed) == number
    }
}
";
/// The name of the program with the defects, so that it does not take the place of the one without.
const PROGRAM: &str = "postern-world-mutants";

/// A copy of what the world is built of, with every defect behind its switch.
fn prepare(workspace: &Path, folder: &Path) -> io::Result<()> {
    copy::write(workspace, folder, PROGRAM)?;
    for (number, mutant) in MUTANTS.iter().enumerate() {
        let path = if mutant.file.starts_with("crates/protocol") { "crate" } else { "postern_protocol" };
        let Mutant { original, replacement, .. } = mutant;
        let switched = format!("if {path}::mutation::is({number}) {{ {replacement} }} else {{ {original} }}");
        let is_statement = original.ends_with(';') || original.contains('\n');
        let switched = if is_statement { switched } else { format!("({switched})") };
        copy::replace(&folder.join(mutant.file), original, &switched)
            .map_err(|error| io::Error::other(format!("defect \"{}\": {error}", mutant.name)))?;
    }
    let protocol = folder.join("crates/protocol/src/lib.rs");
    fs::write(&protocol, fs::read_to_string(&protocol)? + SWITCH)?;
    let parse = "let options = Options::parse();";
    let activate = "postern_protocol::mutation::activate(std::env::var(\"POSTERN_MUTANT\").ok()\
                    .and_then(|n| n.parse().ok()).unwrap_or(usize::MAX));";
    copy::replace(&folder.join("tests/world/src/main.rs"), parse, &format!("{parse}\n{activate}"))
}

/// Writes the copy, builds it, and runs every defect for at most so many seeds from the first on. The program without
/// any defect switched on must find nothing in the same copy.
///
/// # Errors
/// The table does not fit the source any more, or the copy cannot be written, built or run.
pub fn run(workspace: &Path, target: &Path, seeds: u64) -> io::Result<ExitCode> {
    let folder = target.join("mutants");
    prepare(workspace, &folder)?;
    // What is broken is broken with stand-ins for the cryptography too, and found sooner.
    copy::weaken(&folder)?;
    let program = copy::build(&folder, &target.join("mutants-target"), PROGRAM)?;
    let mut escaped = 0;
    // The copy itself is as good as the original.
    let sound =
        Command::new(&program).args(["--seeds", &seeds.min(50).to_string()]).current_dir(&folder).output()?;
    if !sound.status.success() {
        return Err(io::Error::other(format!(
            "without any defect: {}",
            String::from_utf8_lossy(&sound.stdout).trim()
        )));
    }
    for (number, mutant) in MUTANTS.iter().enumerate() {
        let output = Command::new(&program)
            .args(["--keep-whole", "--seeds", &seeds.to_string()])
            .env("POSTERN_MUTANT", number.to_string())
            .current_dir(&folder)
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let seed = text.lines().find_map(|line| line.strip_prefix("seed ")?.split(' ').next());
        let invariant = text.lines().find_map(|line| {
            line.strip_prefix("VIOLATION of invariant ")?.split(':').next()?.parse::<u8>().ok()
        });
        let caught = invariant.is_some_and(|invariant| mutant.expected.contains(&invariant));
        escaped += usize::from(!caught);
        println!(
            "{:>2}  {}  {:<62}  {}",
            number + 1,
            if caught { "caught " } else { "ESCAPED" },
            mutant.name,
            match (seed, invariant) {
                (Some(seed), Some(invariant)) => format!("seed {seed}, invariant {invariant}"),
                _ => format!("{}: {}", output.status, text.trim()),
            }
        );
    }
    println!("{} of {} defects are caught within {seeds} seeds", MUTANTS.len() - escaped, MUTANTS.len());
    Ok(if escaped == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table follows the source: a snippet that is gone would be a defect that nobody tries any more.
    #[test]
    fn every_defect_finds_its_place_in_the_source() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        assert!(MUTANTS.len() >= 15);
        for mutant in MUTANTS {
            let text = fs::read_to_string(workspace.join(mutant.file)).expect("the file is there");
            assert_eq!(text.matches(mutant.original).count(), 1, "{}: {}", mutant.file, mutant.original);
            assert_ne!(mutant.original, mutant.replacement);
        }
    }
}
