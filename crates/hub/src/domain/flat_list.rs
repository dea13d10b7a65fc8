//! Lists of flats as landlords keep them: CSV in, what is wrong by line and column out; and the list that is given back.

use postern_api::resident::{InvitationMade, ListFault, NewInvitation};

use super::invitations::{MOST, Sound};

/// Most faults that are told.
const MOST_FAULTS: usize = 100;

/// One field, with its place.
#[derive(Debug, PartialEq, Eq)]
struct Field {
    text: String,
    line: u32,
}

/// Records of fields (RFC 4180), blank lines left out. A quote that is never closed is a fault of its line.
fn records(csv: &str, between: char) -> Result<Vec<Vec<Field>>, ListFault> {
    let (mut records, mut record) = (Vec::new(), Vec::new());
    let (mut text, mut line, mut begins) = (String::new(), 1_u32, 1_u32);
    let (mut quoted, mut opened) = (false, 0);
    let mut characters = csv.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '\n' {
            line += 1;
        }
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                text.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if text.trim().is_empty() => {
                text.clear();
                (quoted, opened) = (true, line);
            }
            c if quoted => text.push(c),
            '\r' if characters.peek() == Some(&'\n') => {}
            '\n' | '\r' => {
                record.push(Field { text: std::mem::take(&mut text), line: begins });
                begins = line;
                records.push(std::mem::take(&mut record));
            }
            c if c == between => record.push(Field { text: std::mem::take(&mut text), line: begins }),
            c => text.push(c),
        }
    }
    if quoted {
        return Err(ListFault { line: opened, column: 0, reason: "a quote is never closed".to_owned() });
    }
    record.push(Field { text, line: begins });
    records.push(record);
    records.retain(|record| record.iter().any(|field| !field.text.trim().is_empty()));
    Ok(records)
}

/// A day (`2027-01-31`) until its end, or UNIX seconds.
fn until(text: &str) -> Option<i64> {
    if let Ok(day) = text.parse::<chrono::NaiveDate>() {
        return Some(day.and_hms_opt(23, 59, 59)?.and_utc().timestamp());
    }
    text.parse().ok()
}

/// Columns by name.
const NAMES: [&str; 4] = ["flat", "email", "people", "until"];

/// The flats of a list, or everything that is wrong with it.
///
/// # Errors
/// Each fault with its place, at least one.
pub fn read(csv: &str, now: i64) -> Result<Vec<Sound>, Vec<ListFault>> {
    let csv = csv.trim_start_matches('\u{FEFF}');
    let first = csv.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let between = ['\t', ';', ','].into_iter().max_by_key(|c| first.matches(*c).count()).unwrap_or(',');
    let records = records(csv, between).map_err(|fault| vec![fault])?;
    let at = |line: u32, column: usize, reason: &str| ListFault {
        line,
        column: u32::try_from(column).unwrap_or(u32::MAX),
        reason: reason.to_owned(),
    };
    let Some((names, rows)) = records.split_first() else {
        return Err(vec![at(1, 0, "the list is empty")]);
    };
    let mut faults = Vec::new();
    let mut columns = [None; 4];
    for (place, name) in names.iter().enumerate() {
        let text = name.text.trim().to_lowercase();
        match NAMES.iter().position(|known| *known == text) {
            Some(known) if columns[known].is_none() => columns[known] = Some(place),
            Some(_) => faults.push(at(name.line, place + 1, "this column is there twice")),
            None => faults.push(at(name.line, place + 1, "columns are: flat, email, people, until")),
        }
    }
    if columns[0].is_none() {
        faults.push(at(names[0].line, 0, "the first line must name a column `flat`"));
    }
    if rows.len() > MOST {
        faults.push(at(rows[MOST][0].line, 0, "at most 500 flats"));
    }
    if rows.is_empty() {
        faults.push(at(names[0].line, 0, "no flats follow"));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let (mut sound, mut seen) = (Vec::new(), std::collections::BTreeMap::new());
    for row in rows {
        let line = row[0].line;
        if row.len() > names.len() {
            faults.push(at(line, names.len() + 1, "more fields than the first line names"));
            continue;
        }
        let field = |known: usize| {
            let field = columns[known].and_then(|place| row.get(place));
            field.map(|field| field.text.trim()).filter(|text| !text.is_empty())
        };
        let place = |known: usize| columns[known].map_or(0, |place| place + 1);
        let people =
            field(2).map(|text| text.parse::<u32>().map_err(|_| at(line, place(2), "a number, 1 to 20")));
        let until =
            field(3).map(|text| until(text).ok_or_else(|| at(line, place(3), "a day, as 2027-01-31")));
        let (people, until) = match (people.transpose(), until.transpose()) {
            (Ok(people), Ok(until)) => (people, until),
            (people, until) => {
                faults.extend(people.err().into_iter().chain(until.err()));
                continue;
            }
        };
        let new = NewInvitation {
            unit: field(0).unwrap_or_default().to_owned(),
            email: field(1).map(str::to_owned),
            people,
            until,
        };
        match Sound::read(&new, now) {
            Ok(one) => {
                if let Some(before) = seen.insert(one.unit.clone(), line) {
                    faults.push(at(line, place(0), &format!("this flat is on line {before} already")));
                }
                sound.push(one);
            }
            Err((name, why)) => {
                let known = ["unit", "email", "people", "until"].iter().position(|known| *known == name);
                faults.push(at(line, place(known.unwrap_or(0)), why));
            }
        }
    }
    faults.truncate(MOST_FAULTS);
    if faults.is_empty() { Ok(sound) } else { Err(faults) }
}

/// A field that no spreadsheet takes for a formula.
fn written(text: &str) -> String {
    let text =
        if text.starts_with(['=', '+', '-', '@', '\t']) { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', ';', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// The list of what was made, to be printed or mailed.
#[must_use]
pub fn write(made: &[InvitationMade]) -> String {
    let mut csv = "flat,people,until,code,link\r\n".to_owned();
    for one in made {
        let day = chrono::DateTime::from_timestamp(one.until, 0).map(|at| at.date_naive().to_string());
        let fields = [
            written(&one.unit),
            one.people.to_string(),
            day.unwrap_or_default(),
            one.code.clone(),
            one.link.clone(),
        ];
        csv.push_str(&fields.join(","));
        csv.push_str("\r\n");
    }
    csv
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_796_148_000;

    fn places(csv: &str) -> Vec<(u32, u32)> {
        read(csv, NOW).unwrap_err().iter().map(|fault| (fault.line, fault.column)).collect()
    }

    #[test]
    fn lists_are_read_as_spreadsheets_write_them() {
        let list = "\u{FEFF}Flat;People;Email;Until\r\n3 right;2;ada@example.org;2027-01-31\r\n\r\n\"4; \"\"left\"\"\";;;\r\n";
        let flats = read(list, NOW).unwrap();
        let told: Vec<_> =
            flats.iter().map(|one| (one.unit.as_str(), one.people, one.email.is_some())).collect();
        assert_eq!(told, [("3 right", 2, true), ("4; \"left\"", 1, false)]);
        assert_eq!(flats[0].until, 1_801_439_999, "until the end of that day");
        assert_eq!(read("flat\nA\nB", NOW).unwrap().len(), 2);
        assert_eq!(read("people\tflat\n3\tA\n", NOW).unwrap()[0].people, 3);
        assert_eq!(read("flat,email\n\"A\nB\",x@example.org", NOW).unwrap()[0].unit, "A B");
    }

    #[test]
    fn each_fault_has_its_place() {
        let list = "flat,email,people,until\nA,nobody,1,\nB,,99,\nC,,x,soon\n,,,2020-01-01\nA,,,\nD,,1,,5\n";
        assert_eq!(places(list), [(2, 2), (3, 3), (4, 3), (4, 4), (5, 1), (7, 5)]);
        assert_eq!(places("flat\nA\nB\nA\n"), [(4, 1)], "twice");
        assert_eq!(places("flat,until\nA,2020-01-01"), [(2, 2)], "over");
        assert_eq!(places(""), [(1, 0)]);
        assert_eq!(places("flat\n"), [(1, 0)]);
        assert_eq!(places("unit,flat,flat\nA,B,C"), [(1, 1), (1, 3)]);
        assert_eq!(places("email\nx@example.org"), [(1, 0)]);
        assert_eq!(places("flat\nA\n\"B\nC"), [(3, 0)]);
        let many = format!("flat\n{}", (0..501).map(|n| format!("{n}\n")).collect::<String>());
        assert_eq!(places(&many), [(502, 0)]);
    }

    #[test]
    fn no_flat_is_a_formula() {
        assert_eq!(written("=1+1"), "'=1+1");
        assert_eq!(written("3, \"left\""), "\"3, \"\"left\"\"\"");
        assert_eq!(written("3 right"), "3 right");
    }
}
