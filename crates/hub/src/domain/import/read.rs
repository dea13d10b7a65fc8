//! Reading: a file's points one after the other, however many there are.

use std::{
    fmt,
    fs::File,
    io::{BufRead, BufReader, Read as _},
    path::Path,
};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{ImportError, Point, Source, gls, inpost, osm};

/// Which part of a network a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    /// Number of this page, from 1.
    pub page: Option<u64>,
    /// How many there are.
    pub total: Option<u64>,
    /// Points in all of them.
    pub points: Option<u64>,
}

/// Reads a file and gives each point, with its source, to `each`.
///
/// # Errors
/// [`ImportError::File`] where it cannot be read to its end or is none of the formats; what is wrong with a single point is
/// told as that point.
pub fn read(file: &Path, each: &mut dyn FnMut(Source, Point)) -> Result<Pages, ImportError> {
    let told = |why: String| ImportError::File { file: file.display().to_string(), why };
    let opened = File::open(file).map_err(|error| told(error.to_string()))?;
    let mut reader = BufReader::with_capacity(1 << 16, opened);
    let first = reader.fill_buf().map_err(|error| told(error.to_string()))?;
    let skip = beginning(first).map_err(|why| told(why.to_owned()))?;
    reader.consume(skip);
    let mut document = Document { each, pages: Pages::default(), source: None, lists: 0 };
    let mut json = serde_json::Deserializer::from_reader(&mut reader);
    let read = json.deserialize_any(&mut document).and_then(|()| json.end());
    let (pages, lists) = (document.pages, document.lists);
    read.map_err(|error| told(explained(&error)))?;
    // What a reader of JSON leaves is nothing, or the file went on.
    let mut rest = [0; 1];
    if reader.read(&mut rest).is_ok_and(|more| more > 0) {
        return Err(told("something follows after its end".to_owned()));
    }
    if lists == 0 {
        return Err(told(
            "it has no points: neither `items` (InPost, GLS) nor `elements` or `features` (OpenStreetMap)"
                .to_owned(),
        ));
    }
    Ok(pages)
}

/// How many bytes stand before the JSON, or what the file is instead.
fn beginning(first: &[u8]) -> Result<usize, &'static str> {
    match first {
        [] => Err("it is empty"),
        [0xEF, 0xBB, 0xBF, ..] => Ok(3),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [b'{' | b'[', 0, ..] | [0, b'{' | b'[', ..] => {
            Err("it is UTF-16. Make it UTF-8: iconv -f UTF-16 -t UTF-8 FILE")
        }
        [0x1F, 0x8B, ..] => Err("it is compressed. Unpack it first: gunzip FILE"),
        [b'P', b'K', 3, 4, ..] => Err("it is an archive. Unpack it first: unzip FILE"),
        [b'<', ..] => Err("it is XML or HTML, no JSON. Was it the address of a web page?"),
        _ => Ok(0),
    }
}

fn explained(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if text.contains("invalid unicode") {
        format!("it is not UTF-8 ({text}). If it is Latin-2: iconv -f ISO-8859-2 -t UTF-8 FILE")
    } else if error.is_eof() {
        format!("it ends in the middle ({text}). Fetch it again")
    } else {
        format!("it is no JSON of points: {text}")
    }
}

struct Document<'e> {
    each: &'e mut dyn FnMut(Source, Point),
    pages: Pages,
    source: Option<Source>,
    lists: usize,
}

impl<'de> Visitor<'de> for &mut Document<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `items`, `elements` or `features`, or a list of points")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "items" => map.next_value_seed(List(self))?,
                "elements" | "features" => {
                    self.source = Some(Source::Osm);
                    map.next_value_seed(List(self))?;
                }
                "page" => self.pages.page = map.next_value::<Value>()?.as_u64(),
                "total_pages" => self.pages.total = map.next_value::<Value>()?.as_u64(),
                "count" => self.pages.points = map.next_value::<Value>()?.as_u64(),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        List(self).visit_seq(seq)
    }
}

/// The points themselves.
struct List<'d, 'e>(&'d mut Document<'e>);

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of points")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.0.lists += 1;
        let mut place = 0;
        while let Some(item) = seq.next_element::<Value>()? {
            let source = self.0.source.unwrap_or_else(|| {
                if gls::is(&item) {
                    Source::Gls
                } else if item["tags"].is_object() || item["properties"].is_object() {
                    Source::Osm
                } else {
                    Source::Inpost
                }
            });
            let point = match source {
                Source::Inpost => inpost::point(&item, place),
                Source::Gls => gls::point(&item, place),
                Source::Osm => osm::point(&item, place),
            };
            (self.0.each)(source, point);
            place += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Result<(Pages, Vec<(Source, Point)>), String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("points.json");
        std::fs::write(&file, bytes).unwrap();
        let mut points = Vec::new();
        let pages = read(&file, &mut |source, point| points.push((source, point)));
        pages.map(|pages| (pages, points)).map_err(|error| error.to_string())
    }

    #[test]
    fn files_are_read_in_the_forms_in_which_they_come() {
        let item = r#"{"name":"A1","country":"PL","type":["parcel_locker"],"status":"Operating","location":{"latitude":52,"longitude":21},"address":{"line1":"Polna 1"}}"#;
        let whole = format!(r#"{{"count":1,"page":1,"total_pages":1,"items":[{item}],"meta":{{}}}}"#);
        let (pages, points) = of(whole.as_bytes()).unwrap();
        assert_eq!(pages, Pages { page: Some(1), total: Some(1), points: Some(1) });
        assert!(matches!(points[..], [(Source::Inpost, Point::Site { .. })]));
        let marked = [&[0xEF, 0xBB, 0xBF], whole.as_bytes()].concat();
        assert_eq!(of(&marked).unwrap().1.len(), 1, "a byte order mark is no fault");
        assert_eq!(of(format!("[{item},{item}]").as_bytes()).unwrap().1.len(), 2);
        let elements = r#"{"version":0.6,"elements":[{"type":"node","id":1,"lat":1.5,"lon":2,"tags":{"amenity":"parcel_locker"}}]}"#;
        assert!(matches!(of(elements.as_bytes()).unwrap().1[..], [(Source::Osm, Point::Site { .. })]));
    }

    #[test]
    fn what_is_no_such_file_is_told_so_that_it_can_be_helped() {
        let utf16: Vec<u8> = "\u{feff}{\"items\":[]}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, words) in [
            (&b""[..], "empty"),
            (&utf16, "UTF-16"),
            (&[0x1F, 0x8B, 8, 0], "compressed"),
            (b"PK\x03\x04", "archive"),
            (b"<!doctype html>", "web page"),
            (b"{}", "no points"),
            (b"[1,2", "ends in the middle"),
            (b"{\"items\":[{\"name\":\"\xb3\"}]}", "Latin-2"),
            (b"{\"items\":3}", "a list of points"),
            (b"12", "an object with `items`"),
            (b"{\"items\":[]} and more", "trailing"),
            (b"{\"items\":[NaN]}", "no JSON of points"),
        ] {
            let error = of(bytes).unwrap_err();
            assert!(error.contains(words) && error.contains("points.json"), "{words}: {error}");
        }
        let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
        assert!(of(&deep).is_err());
    }
}
